import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { isObjectType } from 'graphql';
import { describe, expect, it } from 'vitest';
import { schema } from '../src/app/schema.ts';
import { graphNames } from './kit/architecture.ts';

const root = resolve(import.meta.dirname, '..');
const read = (file: string): string => readFileSync(join(root, file), 'utf8');
const isPage = (file: string): boolean => file.endsWith('.md');
const pages = [
  ...readdirSync(root).filter(isPage),
  ...readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter(isPage)
    .map((file) => join('docs', file)),
];

/** The name that a heading has in an address, as GitHub makes it. */
const anchorOf = (heading: string): string =>
  heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\p{M} _-]/gu, '')
    .replaceAll(' ', '-');
const withoutCode = (text: string): string => text.replaceAll(/^ *```[\s\S]*?^ *```/gm, '');
const anchorsIn = (text: string): string[] =>
  [...withoutCode(text).matchAll(/^#{1,6} +(.+?) *$/gm)].map(([, heading]) => anchorOf(heading!));

/** What is wrong with the links of a page to others of this repository. */
function brokenLinks(page: string, text: string): string[] {
  const targets = [...withoutCode(text).matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, target]) => target!)
    .filter((target) => !/^[a-z]+:/.test(target));
  return targets.filter((target) => {
    const [path, anchor] = target.split('#');
    const file = path ? join(dirname(page), path) : page;
    if (file !== page && !existsSync(join(root, file))) return true;
    return anchor !== undefined && !anchorsIn(file === page ? text : read(file)).includes(anchor);
  });
}

describe('documents', () => {
  it('link to files and headings that there are', () => {
    expect(pages.length).toBeGreaterThan(30);
    const broken = pages.flatMap((page) => brokenLinks(page, read(page)).map((target) => `${page}: ${target}`));
    expect(broken).toEqual([]);
  });

  it('would be seen to link to what is not there', () => {
    expect(
      brokenLinks('docs/x.md', '[a](y.md) [b](../README.md#no-such) [c](#d) [e](https://example.org/f)\n# D\n'),
    ).toEqual(['y.md', '../README.md#no-such']);
  });
});

/** The names in the first column of the table below a heading. */
const firstColumn = (page: string, heading: string): string[] =>
  (read(page).split(`\n## ${heading}\n`)[1] ?? '')
    .split('\n## ')[0]!
    .split('\n')
    .filter((line) => /^\| `/.test(line))
    .flatMap((line) => [...line.split(' | ')[0]!.matchAll(/`([\w-]+)`/g)].map(([, name]) => name!));

describe('tables of the documents', () => {
  it('EVENTS.md describes every event of the schema, and no other', () => {
    const events = Object.values(schema.getTypeMap())
      .filter((type) => isObjectType(type))
      .filter((type) => type.getInterfaces().some(({ name }) => name === 'EventMeta'))
      .map(({ name }) => name);
    expect(events.length).toBeGreaterThan(20);
    expect(firstColumn('docs/EVENTS.md', 'Events').sort()).toEqual(events.sort());
  });

  it('ARCHITECTURE.md describes every room, in the order of the schema', () => {
    const described = firstColumn('docs/ARCHITECTURE.md', 'Floors and rooms').filter((name) => name !== 'src');
    expect(described.toSorted()).toEqual(readdirSync(join(root, 'src/features')).sort());
    const order = [...read('src/app/schema.ts').matchAll(/features\/([\w-]+)\/graph/g)].map(([, room]) => room!);
    expect(described.filter((room) => order.includes(room))).toEqual(order);
  });

  it('CONTRIBUTING.md names the files of a room that may speak GraphQL', () => {
    const names = [...graphNames.whole, ...graphNames.ends];
    expect(names.filter((name) => !read('CONTRIBUTING.md').includes(`\`${name}\``))).toEqual([]);
  });
});

describe('decisions', () => {
  const files = readdirSync(join(root, 'docs/decisions')).filter((file) => file !== 'README.md');
  const index = read('docs/decisions/README.md');

  it('have a number, a title, a date and a status, and stand in the index with these', () => {
    expect(files.length).toBeGreaterThan(30);
    const wrong = files.filter((file) => {
      const [heading, empty, state] = read(`docs/decisions/${file}`).split('\n');
      const [, number, title] = /^# (\d+)\. (.+)$/.exec(heading!) ?? [];
      const [, status] = /^\d{4}-\d\d-\d\d · ((?:accepted|superseded).*)$/.exec(state!) ?? [];
      const isNamed = number !== undefined && file.startsWith(`${number.padStart(4, '0')}-`);
      return !isNamed || empty !== '' || !index.includes(`| ${number} | [${title}](${file}) | ${status} |`);
    });
    expect(wrong).toEqual([]);
  });

  it('have numbers of their own, without gaps', () => {
    const numbers = files.map((file) => Number(file.slice(0, 4))).sort((a, b) => a - b);
    expect(numbers).toEqual(numbers.map((_, at) => at + 1));
  });
});

describe('the changelog', () => {
  /** What is wrong with the versions of a changelog, where the package has this one. */
  function faultsIn(text: string, version: string): string[] {
    const [unreleased, ...released] = [...text.matchAll(/^## (.+)$/gm)].map(([, heading]) => heading!);
    const isRelease = (heading: string) => /^\d+\.\d+\.\d+ - \d{4}-\d\d-\d\d$/.test(heading);
    const dates = released.map((heading) => heading.slice(-10));
    const next = /^Will be (\d+\.\d+\.\d+)\b/m.exec(text)?.[1];
    return [
      ...(unreleased === 'Unreleased' ? [] : ['does not begin with what is unreleased']),
      ...released.filter((heading) => !isRelease(heading)).map((heading) => `${heading} is no version with a date`),
      ...(dates.toSorted().reverse().join() === dates.join()
        ? []
        : ['has releases in another order than from the newest on']),
      ...(next === version || released[0]?.startsWith(`${version} `)
        ? []
        : [`has neither released ${version} nor says that it will be next`]),
    ];
  }

  it('has each release with its date, the newest first, and the version of the package', () => {
    expect(faultsIn(read('CHANGELOG.md'), (JSON.parse(read('package.json')) as { version: string }).version)).toEqual(
      [],
    );
  });

  it('is seen to be wrong where it is', () => {
    const released = '## Unreleased\n\n## 0.2.0 - 2027-01-02\n\n## 0.1.0 - 2026-12-24\n';
    expect(faultsIn(released, '0.2.0')).toEqual([]);
    expect(faultsIn(released, '0.3.0')).toEqual(['has neither released 0.3.0 nor says that it will be next']);
    expect(faultsIn('## 0.1.0\n\n## 0.2.0 - 2027-01-02\n\n## 0.3.0 - 2027-02-02\n\n## 0.1', '0.2.0')).toHaveLength(3);
  });
});

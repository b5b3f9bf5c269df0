import ts from 'typescript';
import { callsIn, createConstants, unknown } from './constants.ts';

/** A statement of the sources, and where it is sent. */
export type SqlText = { place: string; text: string };
/**
 * `unread`: calls whose statement cannot be computed. `unsent`: texts that look like SQL and are part of no statement.
 */
export type SqlTexts = { statements: SqlText[]; unread: string[]; unsent: string[] };

const senders = new Set(['query', 'pipeline', 'withCommit', 'last', '$queryRawUnsafe', '$executeRawUnsafe']);
const taggedSenders = new Set(['$queryRaw', '$executeRaw']);
const looksLikeSql =
  /\b(SELECT|INSERT INTO|UPDATE \w+|DELETE FROM|FOR NO KEY UPDATE|WITH RECURSIVE|JOIN \w+|WHERE \w+)\b/;

const nameOf = (expression: ts.Expression): string | null =>
  ts.isPropertyAccessExpression(expression)
    ? expression.name.text
    : ts.isIdentifier(expression)
      ? expression.text
      : null;

/** `append.last` of the log takes events: its statements are those of the log. */
const isOfLog = (callee: ts.Expression): boolean =>
  ts.isPropertyAccessExpression(callee) && nameOf(callee.expression) === 'append';

const shorten = (text: string): string => text.replace(/\s+/g, ' ').slice(0, 90);

/** The statement among what a call is given: a text, an object that has one, or the first of a list that is spread. */
function statementIn(value: unknown): unknown {
  if (Array.isArray(value)) return statementIn(value[0]);
  return typeof value === 'object' && value !== null && 'text' in value ? value.text : value;
}

/** A template of the database's client, whose values are parameters. */
function tagged(node: ts.TaggedTemplateExpression, used: Set<ts.Node>): string {
  used.add(node.template);
  if (ts.isNoSubstitutionTemplateLiteral(node.template)) return node.template.text;
  const { head, templateSpans } = node.template;
  return head.text + templateSpans.map(({ literal }, index) => `$${index + 1}${literal.text}`).join('');
}

/** Every statement that the sources send by themselves, found by the calls that send one. */
export function readSqlTexts(files: ReadonlyMap<string, ts.SourceFile>): SqlTexts {
  const constants = createConstants(files);
  const statements: SqlText[] = [];
  const unread: string[] = [];

  function readCall(call: ts.CallExpression): void {
    const [first] = call.arguments;
    if (!first || !senders.has(nameOf(call.expression) ?? '') || isOfLog(call.expression)) return;
    const values = constants.alternatives(ts.isSpreadElement(first) ? first.expression : first).map(statementIn);
    const texts = values.filter((value) => typeof value === 'string');
    for (const text of texts) statements.push({ place: constants.place(call), text });
    if (texts.length === values.length && texts.length > 0) return;
    const file = constants.place(call).split(':')[0];
    unread.push(
      `${file}: ${shorten(call.expression.getText())}(${shorten(first.getText())})${values.includes(unknown) ? '' : ' is no text'}`,
    );
  }
  const readTags = (node: ts.Node): void => {
    if (ts.isTaggedTemplateExpression(node) && taggedSenders.has(nameOf(node.tag) ?? ''))
      statements.push({ place: constants.place(node), text: tagged(node, constants.used) });
    ts.forEachChild(node, readTags);
  };
  for (const source of files.values()) {
    for (const call of callsIn(source)) readCall(call);
    readTags(source);
  }
  const unsent = [...files].flatMap(([file, source]) =>
    sqlIn(source, constants.used).map((text) => `${file}: ${text}`),
  );
  return { statements, unread, unsent };
}

function sqlIn(source: ts.SourceFile, used: ReadonlySet<ts.Node>): string[] {
  const found: string[] = [];
  const visit = (node: ts.Node): void => {
    const isText =
      ts.isStringLiteral(node) || ts.isNoSubstitutionTemplateLiteral(node) || ts.isTemplateExpression(node);
    if (isText && !used.has(node) && looksLikeSql.test(node.getText())) found.push(shorten(node.getText()));
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

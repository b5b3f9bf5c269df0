import type { Browser, BrowserContext, Page, Request, Response } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import type { App } from '../../src/app/build-app.ts';
import { createWorld, tokenFor, type World } from '../kit/app.ts';
import { describeInChromium, openChromium } from '../kit/chromium.ts';
import { storages } from '../kit/databases.ts';
import { until } from '../kit/until.ts';

/** Without the breaks that a pane makes. */
const plain = (text: string): string => text.replaceAll(/\s+/g, '');

describeInChromium('GraphiQL in Chromium', () => {
  let world: World;
  let app: App;
  let url: string;
  let browser: Browser;
  let context: BrowserContext;

  beforeAll(async () => {
    [world, browser] = await Promise.all([createWorld(storages[0]!, { env: { TOOLS: 'samples' } }), openChromium()]);
    app = await world.start();
    url = `${app.url}/graphql`;
  });
  afterEach(() => context.close());
  afterAll(async () => {
    await browser.close();
    await world.close();
  });

  /** A browser that somebody sits down at for the first time. */
  async function newTab(): Promise<Page> {
    context = await browser.newContext();
    return context.newPage();
  }

  const linkOf = async (user: string) => `${url}#token=${await tokenFor(user)}`;
  const tabsOf = (page: Page) => page.getByRole('tab').allInnerTexts();

  async function visit(page: Page, address: string): Promise<void> {
    await page.goto(address);
    await page.locator('.graphiql-execute-button').waitFor();
  }

  /** GraphiQL changes to no other tab until it has shown the last answer. */
  async function open(page: Page, name: string): Promise<void> {
    const tab = page.getByRole('tab', { name });
    const isOpen = async () => (await tab.getAttribute('aria-selected')) === 'true';
    await until(async () => {
      if (!(await isOpen())) await tab.click(); // a click on the open one would put back what was in it
      return isOpen();
    }, `the tab ${name}`);
  }

  /** What the page shows of the last answer: the lines for which there is room. */
  const shown = (page: Page): Promise<string> => page.locator('.graphiql-response').innerText();

  /**
   * Presses the button of a tab, and once more each second: GraphiQL asks for the operation of the tab before, until it
   * has looked at this one.
   */
  async function execute(page: Page, name: string, isAsked: () => boolean | Promise<boolean>): Promise<void> {
    await open(page, name);
    for (let tries = 1; ; tries++) {
      await page.locator('.graphiql-execute-button').click();
      const wasAsked = await until(isAsked, `${name} to be asked`, 1_000).catch((error: unknown) => {
        if (tries === 10) throw error;
      });
      if (wasAsked) return;
    }
  }

  /** What a tab sends, and is answered. */
  async function run(page: Page, name: string) {
    let response: Response | null = null;
    const take = (came: Response) => {
      if (operationOf(came.request()) === name) response = came;
    };
    page.on('response', take);
    await execute(page, name, () => response !== null);
    page.off('response', take);
    return { variables: response!.request().postDataJSON().variables, answer: await response!.json() };
  }

  /** Follows what was sent last. */
  const stream = (page: Page) => execute(page, 'Stream', async () => (await shown(page)).includes('soFar'));

  const operationOf = (request: Request): unknown =>
    request.method() === 'POST' ? request.postDataJSON().operationName : null;
  /** Whom the page is signed in as; null for nobody. */
  const userOf = async (page: Page): Promise<string | null> =>
    (await run(page, 'Conversations')).answer.data?.viewer.user.displayName ?? null;

  async function write(page: Page, editor: 'variables' | 'headers', value: object): Promise<void> {
    await page.getByRole('button', { name: editor }).first().click();
    await page.locator(`.monaco-editor[data-uri$="${editor}.json"]`).click();
    await page.keyboard.press('ControlOrMeta+A');
    await page.keyboard.insertText(JSON.stringify(value));
    // The editor closes what is opened: that stands behind the caret now.
    await page.keyboard.press('ControlOrMeta+Shift+End');
    await page.keyboard.press('Delete');
  }

  it('opens the examples with their variables in front, signed in as the link says, and takes the token out of the address', async () => {
    const page = await newTab();
    await visit(page, await linkOf('alice'));
    expect(page.url()).toBe(url);
    expect(await tabsOf(page)).toEqual(['Send', 'Stream', 'Approvals', 'Allow', 'Ask', 'Conversations', 'Stop']);
    expect(await page.locator('.graphiql-editor-tool').innerText()).toContain('idempotencyKey');
    expect(await userOf(page)).toBe('alice');
  });

  it('makes a key for each run, and shows the whole answer to what was sent last, with nothing to copy', async () => {
    const page = await newTab();
    await visit(page, await linkOf('alice'));
    const [one, two] = [await run(page, 'Send'), await run(page, 'Send')];
    for (const { variables } of [one, two]) expect(variables.idempotencyKey).toMatch(/^[0-9a-f]{32}$/);
    expect(one.variables.idempotencyKey).not.toBe(two.variables.idempotencyKey);
    for (const { answer } of [one, two])
      expect(answer.data.sendMessage).toMatchObject({ __typename: 'SendMessageSuccess', deduplicated: false });
    await stream(page);
    await until(async () => (await shown(page)).includes('TurnFinishedEvent'), 'the end of the answer');
    const { conversations } = (await run(page, 'Conversations')).answer.data;
    const answer = conversations.nodes
      .find(({ id }: { id: string }) => id === two.answer.data.sendMessage.conversation.id)
      .messages.nodes.at(-1);
    await stream(page);
    await until(
      async () => plain(await shown(page)).includes(plain(JSON.stringify(answer.content).slice(0, 80))),
      'the beginning of its text',
    );
  });

  it('goes on at the last cursor when the server is gone for a moment in mid-answer, and takes back what is taken back', async () => {
    const page = await newTab();
    await visit(page, await linkOf('alice'));
    await open(page, 'Send');
    await write(page, 'variables', { text: 'Wait [[tokens 12]] [[hold]]', idempotencyKey: 'new at each run' });
    await run(page, 'Send');
    await stream(page);
    await until(async () => (await shown(page)).includes('word1'), 'the first words');
    await app.close(0);
    const { port } = new URL(url);
    app = await world.start({ PORT: port });
    await until(async () => {
      world.model.release(); // whichever call of it waits
      return (await shown(page)).includes('TurnFinishedEvent');
    }, 'the end of the answer');
    expect(plain(await shown(page))).toContain('word1word2');
  });

  it('lets somebody allow what waits for it, with nothing to copy', async () => {
    const page = await newTab();
    await visit(page, await linkOf('alice'));
    await open(page, 'Send');
    const text = 'Book me in [[call book_appointment {"topic": "teeth", "time": "14:00"}]] [[then]] [[say Done.]]';
    await write(page, 'variables', { text, idempotencyKey: 'new at each run' });
    await run(page, 'Send');
    await until(
      async () => (await run(page, 'Approvals')).answer.data.pendingApprovals.nodes.length === 1,
      'the tool to be asked for',
    );
    expect((await run(page, 'Allow')).answer.data.decideApprovals).toMatchObject({ resumed: true });
  });

  it('stays signed in when it is loaded again, with the tabs that there were', async () => {
    const page = await newTab();
    await visit(page, await linkOf('alice'));
    const tabs = await tabsOf(page);
    for (const load of [() => page.reload(), () => page.goto(url), () => page.reload()]) {
      await load();
      await page.locator('.graphiql-execute-button').waitFor();
      expect(await tabsOf(page)).toEqual(tabs);
      expect(await userOf(page)).toBe('alice');
    }
  });

  it('signs in as whoever a further link names, be it the first with a token, a changed fragment, or against what was written', async () => {
    const page = await newTab();
    await visit(page, url);
    expect(await userOf(page)).toBeNull();
    await visit(page, await linkOf('alice'));
    expect(await userOf(page)).toBe('alice');
    await write(page, 'headers', { authorization: `Bearer ${await tokenFor('carol')}` });
    expect(await userOf(page)).toBe('carol');
    await page.reload();
    await page.locator('.graphiql-execute-button').waitFor();
    await page.evaluate(
      (token) => {
        location.hash = `token=${token}`;
      },
      await tokenFor('bob'),
    );
    await until(() => !page.url().includes('#'), 'the page to take the token');
    await page.locator('.graphiql-execute-button').waitFor();
    expect(await userOf(page)).toBe('bob');
  });

  it('keeps nothing of a token beyond its tab, nor what earlier versions kept', async () => {
    const page = await newTab();
    await visit(page, url);
    const token = await tokenFor('alice');
    await page.evaluate(
      (old) => localStorage.setItem('graphiql:tabState', old),
      JSON.stringify({ tabs: [{ headers: token }] }),
    );
    await visit(page, `${url}#token=${token}`);
    expect(await userOf(page)).toBe('alice');
    const other = await context.newPage();
    await visit(other, url);
    expect(await userOf(other)).toBeNull();
    expect(await tabsOf(other)).toEqual(await tabsOf(page));
    const { origins, cookies } = await context.storageState({ indexedDB: true });
    expect([cookies, JSON.stringify(origins).includes(token)]).toEqual([[], false]);
    expect(await page.evaluate(() => Object.keys(localStorage))).toEqual([]);
  });

  it('shows the query of its address in a tab of its own, once', async () => {
    const page = await newTab();
    await visit(page, `${url}?query=${encodeURIComponent('query Asked { __typename }')}`);
    expect(page.url()).toBe(url);
    expect((await run(page, 'Asked')).answer).toEqual({ data: { __typename: 'Query' } });
    const tabs = await tabsOf(page);
    expect(tabs.filter((tab) => tab === 'Asked')).toHaveLength(1);
    await until(
      () => page.evaluate(() => sessionStorage.getItem('graphiql:tabState')?.includes('Asked')),
      'GraphiQL to keep its tabs',
    );
    await page.reload();
    await page.locator('.graphiql-execute-button').waitFor();
    expect(await tabsOf(page)).toEqual(tabs);
  });
});

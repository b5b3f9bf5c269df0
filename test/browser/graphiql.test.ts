import type { Browser, BrowserContext, Page, Request } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { createWorld, tokenFor, type World } from '../kit/app.ts';
import { describeInChromium, openChromium } from '../kit/chromium.ts';
import { storages } from '../kit/databases.ts';
import { until } from '../kit/until.ts';

describeInChromium('GraphiQL in Chromium', () => {
  let world: World;
  let url: string;
  let browser: Browser;
  let context: BrowserContext;

  beforeAll(async () => {
    [world, browser] = await Promise.all([createWorld(storages[0]!), openChromium()]);
    url = `${(await world.start()).url}/graphql`;
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
    await until(async () => {
      await tab.click();
      return (await tab.getAttribute('aria-selected')) === 'true';
    }, `the tab ${name}`);
  }

  /** What a tab sends, and is answered. */
  async function run(page: Page, name: string) {
    await open(page, name);
    const answered = page.waitForResponse((response) => operationOf(response.request()) === name);
    await page.locator('.graphiql-execute-button').click();
    const response = await answered;
    return { variables: response.request().postDataJSON().variables, answer: await response.json() };
  }
  const operationOf = (request: Request): unknown => (request.method() === 'POST' ? request.postDataJSON().operationName : null);
  /** Whom the page is signed in as; null for nobody. */
  const userOf = async (page: Page): Promise<string | null> => (await run(page, 'Conversations')).answer.data?.viewer.user.displayName ?? null;

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
    expect(await tabsOf(page)).toEqual(['Send', 'Stream', 'Approvals', 'Ask', 'Conversations', 'Stop']);
    expect(await page.locator('.graphiql-editor-tool').innerText()).toContain('idempotencyKey');
    expect(await userOf(page)).toBe('alice');
  });

  it('makes a key for each run, and shows the answer as it comes once its id and cursor are in the variables', async () => {
    const page = await newTab();
    await visit(page, await linkOf('alice'));
    const [one, two] = [await run(page, 'Send'), await run(page, 'Send')];
    for (const { variables } of [one, two]) expect(variables.idempotencyKey).toMatch(/^[0-9a-f]{32}$/);
    expect(one.variables.idempotencyKey).not.toBe(two.variables.idempotencyKey);
    for (const { answer } of [one, two]) expect(answer.data.sendMessage).toMatchObject({ __typename: 'SendMessageSuccess', deduplicated: false });
    const { conversation, cursor } = two.answer.data.sendMessage;
    const frames: string[] = [];
    page.on('websocket', (socket) => socket.on('framereceived', ({ payload }) => void frames.push(String(payload))));
    await open(page, 'Stream');
    await write(page, 'variables', { conversation: conversation.id, after: cursor });
    await page.locator('.graphiql-execute-button').click();
    await until(() => frames.some((frame) => frame.includes('"TurnFinishedEvent"')), 'the end of the answer');
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
    await page.evaluate((old) => localStorage.setItem('graphiql:tabState', old), JSON.stringify({ tabs: [{ headers: token }] }));
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
    await page.reload();
    await page.locator('.graphiql-execute-button').waitFor();
    expect(await tabsOf(page)).toEqual(tabs);
  });
});

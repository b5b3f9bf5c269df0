import { pathToFileURL } from 'node:url';
import { WebSocket } from 'ws';

/** What the program of a page gives, whatever its client library is. */
type Page = { edges: { node: { title: string } }[]; pageInfo: { hasNextPage: boolean } };
type Sent = { __typename: string; cursor: string; turn: { id: string } };
type Program = {
  list(before?: Page): Promise<Page>;
  send(text: string, idempotencyKey: string): Promise<Sent>;
  watch(turn: string, after: string, show: (text: string) => void): Promise<{ status: string; isWhole: boolean }>;
  close(): unknown;
};

const say = (line: object) => process.stdout.write(`${JSON.stringify(line)}\n`);

/** Reports each subscription with its variables as it goes over the wire. */
const original = WebSocket.prototype.send;
WebSocket.prototype.send = function send(this: WebSocket, ...given: unknown[]) {
  const message = JSON.parse(String(given[0])) as { type: string; payload?: { variables?: object } };
  if (message.type === 'subscribe') say({ subscribed: message.payload?.variables });
  return Reflect.apply(original, this, given);
} as typeof original;

const [, , file, text] = process.argv;
const program = (await import(pathToFileURL(file!).href)) as Program;

let page = await program.list();
const titles = (of: Page) => of.edges.map(({ node }) => node.title);
say({ first: titles(page) });
while (page.pageInfo.hasNextPage) page = await program.list(page);
say({ all: titles(page) });

say({ refused: await program.send(' ', 'nothing') });
const sent = await program.send(text!, 'one key');
say({ sent, again: await program.send(text!, 'one key') });
let shown = '';
const end = await program.watch(sent.turn.id, sent.cursor, (now) => {
  if (now !== shown) say({ shown: now });
  shown = now;
});
say({ end });
await program.close();

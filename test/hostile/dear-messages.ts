import { once } from 'node:events';
import { request as open } from 'node:http';
import { connect } from 'node:net';
import { WebSocket } from 'ws';

/**
 * What somebody without a token may send in one message, made to be dear. Each is about as large as it may be, or
 * larger.
 */
type Attack = { name: string; send(url: string): Promise<void> };

const brackets = (count: number) => '['.repeat(count);
const objects = (count: number) => '{"a":'.repeat(count);
const withVariables = (text: string) => `{"query":"query ($a: JSON) { __typename }","variables":{"a":${text}}}`;
/** Each document is another one, so that none is known from before. */
let sent = 0;
const fresh = (query: string): string => {
  sent += 1;
  return query.replace('{', `{ n${sent}: __typename `);
};
const ofQuery = (query: string) => JSON.stringify({ query: fresh(query) });
const json = { 'content-type': 'application/json' };

/** Sends a body and waits for the answer, whichever it is: some are refused before all of it was sent. */
function post(url: string, body: string | Buffer, headers: Record<string, string> = json): Promise<void> {
  return new Promise((resolve) => {
    const request = open(`${url}/graphql`, {
      method: 'POST',
      headers: { 'content-length': Buffer.byteLength(body), ...headers },
      agent: false,
    });
    request.on('response', (response) => void response.resume().on('close', () => request.destroy()));
    request.on('error', () => {});
    request.on('close', () => resolve());
    request.end(body);
  });
}

function get(url: string, path: string, headers: Record<string, string> = {}): Promise<void> {
  return new Promise((resolve) => {
    const request = open(`${url}${path}`, { headers: { 'x-graphql-yoga-csrf': '1', ...headers }, agent: false });
    request.on('response', (response) => void response.resume().on('close', () => resolve()));
    request.on('error', () => resolve());
    request.end();
  });
}

/** One frame before anything else, or after a greeting without a token; ends when the server has answered or closed. */
async function frame(url: string, data: string | Buffer, greets = false): Promise<void> {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws', { maxPayload: 0 });
  socket.on('error', () => {});
  await once(socket, 'open');
  if (greets) {
    socket.send('{"type":"connection_init"}');
    await once(socket, 'message');
  }
  const answered = Promise.race([once(socket, 'message'), once(socket, 'close')]);
  socket.send(data, { binary: false });
  // Whatever is not answered by itself is done when the answer to a ping of the protocol is here.
  socket.ping();
  await Promise.race([answered, once(socket, 'pong')]);
  socket.terminate();
}

/**
 * So many times the same bytes in one go on one connection, after a greeting if any; waits until all that was asked is
 * answered.
 */
function burst(
  url: string,
  { first = '', unit, count, answer }: { first?: string; unit: Buffer; count: number; answer: string },
): Promise<void> {
  return new Promise((resolve) => {
    let text = '';
    const socket = connect(Number(new URL(url).port), '127.0.0.1', () => socket.write(first || repeated(unit, count)));
    socket.on('data', (data) => {
      if (text === '' && first) socket.write(repeated(unit, count));
      text += data.toString('latin1');
      if (text.split(answer).length > count) socket.destroy();
    });
    socket.on('error', () => {});
    socket.on('close', () => resolve());
  });
}

const repeated = (unit: Buffer, count: number) => Buffer.concat(Array.from({ length: count }, () => unit));
const upgrade =
  'GET /graphql HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n';
/** A short message of text as a client's frame, masked by zeros. */
const masked = (text: string) =>
  Buffer.concat([Buffer.from([0x81, 0x80 | text.length, 0, 0, 0, 0]), Buffer.from(text)]);

const http = (name: string, body: () => string | Buffer, headers?: Record<string, string>): Attack => ({
  name: `HTTP: ${name}`,
  send: (url) => post(url, body(), headers),
});
const early = (name: string, data: () => string | Buffer): Attack => ({
  name: `a socket before it is acknowledged: ${name}`,
  send: (url) => frame(url, data()),
});
const late = (name: string, query: () => string): Attack => ({
  name: `a socket without a token: ${name}`,
  send: (url) => frame(url, JSON.stringify({ id: '1', type: 'subscribe', payload: { query: fresh(query()) } }), true),
});

const many = (count: number, make: (at: number) => string) =>
  Array.from({ length: count }, (_, at) => make(at)).join(' ');
const wrongFields = (count: number) => `{ viewer { ${many(count, (at) => `conversationz${at}`)} } }`;
const wrongBehindLines = (lines: number, count: number) =>
  `{ viewer { ${'\n'.repeat(lines)} ${many(count, (at) => `a${at}`)} } }`;
const conflicts = (count: number) => `{ viewer { ${many(count, (at) => `a${at % 50}: user { a${at}: id b: id }`)} } }`;
const fragments = (count: number) =>
  `{ ${many(count, (at) => `...F${at}`)} } ${many(count, (at) => `fragment F${at} on Query { viewer { user { id ${many(3, (n) => `x${n}: id`)} } } ...F${(at + 1) % count} }`)}`;
const onEvents = (at: number, inner: string) => `fragment E${at} on ConversationEvent { ${inner} }`;
/** Small enough that a server which measures every way through it comes to its end. */
const events = () =>
  `{ events { ...E0 } } ${many(9, (at) =>
    onEvents(
      at,
      many(4, () => `events { ...E${at + 1} }`),
    ),
  )} ${onEvents(9, 'seq')}`;
const schemaAgain = () =>
  `{ __schema { types { fields { type { fields { ${many(190, (at) => `a${at}: name`)} } } } } } }`;
const variables = (count: number) => `query (${many(count, (at) => `$a${at}: Strinq`)}) { __typename }`;

const megabyte = 999_000;
const largest = (make: (count: number) => string, bytes: number): string => {
  let count = 1;
  while (make(count * 2).length < bytes) count *= 2;
  while (make(Math.floor(count * 1.1) + 1).length < bytes) count = Math.floor(count * 1.1) + 1;
  return make(count);
};

const documents: [name: string, make: (bytes: number) => string][] = [
  ['comments', (bytes) => `{ __typename } ${'#\n'.repeat(bytes / 3 - 20)}`],
  ['one comment', (bytes) => `{ __typename } #${'x'.repeat(bytes - 20)}`],
  ['commas', (bytes) => `{ __typename ${','.repeat(bytes - 20)} }`],
  ['a block string', (bytes) => `{ node(id: """${' \n'.repeat(bytes / 3 - 30)}""") { id } }`],
  ['block strings', (bytes) => `{ nodes(ids: [${'"""a""" '.repeat(bytes / 14 - 10)}]) { id } }`],
  ['a string of escapes', (bytes) => `{ node(id: "${'\\u0041'.repeat(bytes / 7 - 10)}") { id } }`],
  ['a huge number', (bytes) => `{ conversations(first: ${'9'.repeat(bytes - 50)}) { totalCount } }`],
  ['a long name', (bytes) => `{ ${'a'.repeat(bytes - 10)} }`],
  ['brackets', (bytes) => `{ nodes(ids: ${brackets(bytes - 20)}`],
  ['levels of fields', (bytes) => '{a'.repeat(bytes / 2 - 5)],
  ['words', (bytes) => `{ ${'a '.repeat(bytes / 2 - 5)}}`],
  ['unknown fields', (bytes) => largest(wrongFields, bytes)],
  ['unknown fields behind lines', (bytes) => wrongBehindLines((bytes - 1_500) / 2, 200)],
  ['fields in conflict', (bytes) => largest(conflicts, bytes)],
  ['fragments that spread one another', (bytes) => largest(fragments, bytes)],
  ['variables of unknown types', (bytes) => largest(variables, bytes)],
];

const sizes: [name: string, bytes: number][] = [
  ['a megabyte', megabyte],
  ['what may be sent', 15_500],
];

export const attacks: readonly Attack[] = [
  http('lists within lists', () => brackets(450_000)),
  http('lists within lists, closed', () => withVariables(`${brackets(240_000)}${']'.repeat(240_000)}`)),
  http('objects within objects', () => objects(190_000)),
  http('variables within variables', () => withVariables(`${objects(100_000)}1${'}'.repeat(100_000)}`)),
  http('as many levels as fit', () => withVariables(`${brackets(7_500)}${']'.repeat(7_500)}`)),
  http('a million values', () => withVariables(`[${'1,'.repeat(490_000)}1]`)),
  http('many names', () => withVariables(`{${Array.from({ length: 70_000 }, (_, at) => `"${at}x":1`).join()}}`)),
  http('many names, as many as fit', () =>
    withVariables(`{${Array.from({ length: 1_400 }, (_, at) => `"${at}x":1`).join()}}`),
  ),
  http('a string of escapes', () => withVariables(`"${'\\u0041'.repeat(160_000)}"`)),
  http('a huge number', () => withVariables('9'.repeat(megabyte - 100))),
  http('what is wrong in a value for every name', () =>
    ofVariables({
      input: { big: 'x'.repeat(6_000), ...Object.fromEntries(Array.from({ length: 700 }, (_, at) => [`u${at}`, 1])) },
    }),
  ),
  http('a batch', () => `[${'{"query":"{__typename}"},'.repeat(39_000)}{}]`),
  http('bytes that are no UTF-8', () => Buffer.alloc(megabyte, 0xff)),
  http('a form', () => `query=${'%7B'.repeat(300_000)}`, {
    'content-type': 'application/x-www-form-urlencoded',
    'apollo-require-preflight': '1',
  }),
  http('a form of many names', () => 'a=1&'.repeat(240_000), {
    'content-type': 'application/x-www-form-urlencoded',
    'apollo-require-preflight': '1',
  }),
  http('a form of many parts', () => '--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n'.repeat(15_000), {
    'content-type': 'multipart/form-data; boundary=x',
    'apollo-require-preflight': '1',
  }),
  http('a token that is none, and lists within lists', () => brackets(450_000), {
    ...json,
    authorization: 'Bearer nonsense',
  }),
  http('a token that is almost one, and lists within lists', () => brackets(450_000), {
    ...json,
    authorization: 'Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4In0.AAAA',
  }),
  http('a token of sixteen kilobytes', () => ofQuery('{ __typename }'), {
    ...json,
    authorization: `Bearer ${'e'.repeat(15_000)}`,
  }),
  http('an authorization of spaces', () => ofQuery('{ __typename }'), {
    ...json,
    authorization: `Bearer ${' '.repeat(7_000)}a${' '.repeat(7_000)}b`,
  }),
  {
    name: 'HTTP: many headers',
    send: (url) =>
      get(
        url,
        '/graphql?query={__typename}',
        Object.fromEntries(Array.from({ length: 1_500 }, (_, at) => [`h${at}`, '1'])),
      ),
  },
  {
    name: 'HTTP: variables within variables in the address',
    send: (url) => get(url, `/graphql?query={__typename}&variables=${brackets(15_000)}`),
  },
  { name: 'HTTP: levels of fields in the address', send: (url) => get(url, `/graphql?query=${'{a'.repeat(7_000)}`) },
  {
    name: 'HTTP: six hundred requests in one go',
    send: (url) =>
      burst(url, {
        unit: Buffer.from(
          'GET /graphql?query={__typename} HTTP/1.1\r\nHost: localhost\r\nx-graphql-yoga-csrf: 1\r\n\r\n',
        ),
        count: 600,
        answer: '"__typename":"Query"',
      }),
  },
  {
    name: 'a socket before it is acknowledged: three thousand pings in one go',
    send: (url) => burst(url, { first: upgrade, unit: masked('{"type":"ping"}'), count: 3_000, answer: '"pong"' }),
  },
  {
    name: 'HTTP: X-Forwarded-For',
    send: (url) => get(url, '/graphql?query={__typename}', { 'x-forwarded-for': '::1,'.repeat(3_500) }),
  },
  ...sizes.flatMap(([size, bytes]) =>
    documents.map(([name, make]) => http(`a document of ${name}, ${size}`, () => ofQuery(make(bytes)))),
  ),
  http('events that lead to events', () => ofQuery(events())),
  http('the schema under many names', () => ofQuery(schemaAgain())),
  late('events that lead to events', events),
  early('lists within lists', () => brackets(990_000)),
  early('as many lists within lists as fit', () => brackets(8_000)),
  early('objects within objects', () => objects(190_000)),
  early('a nested ping', () => `{"type":"ping","payload":${objects(90_000)}1${'}'.repeat(90_000)}}`),
  early('a nested ping that fits', () => `{"type":"ping","payload":${objects(1_300)}1${'}'.repeat(1_300)}}`),
  early('a large ping', () => JSON.stringify({ type: 'ping', payload: { text: 'x'.repeat(900_000) } })),
  early('a greeting with a large payload', () =>
    JSON.stringify({ type: 'connection_init', payload: { text: 'x'.repeat(900_000) } }),
  ),
  early('a greeting with a token of 8 KB', () =>
    JSON.stringify({ type: 'connection_init', payload: { authorization: `Bearer ${'e'.repeat(8_000)}` } }),
  ),
  early('a greeting with many names', () =>
    JSON.stringify({
      type: 'connection_init',
      payload: Object.fromEntries(Array.from({ length: 60_000 }, (_, at) => [`n${at}`, 1])),
    }),
  ),
  early('bytes that are no UTF-8', () => Buffer.alloc(megabyte, 0xff)),
  ...sizes.flatMap(([size, bytes]) =>
    documents.map(([name, make]) => late(`a document of ${name}, ${size}`, () => make(bytes - 200))),
  ),
];

/** What a guest may send in one message: a megabyte, made to be dear. */
export const guestAttacks: readonly [name: string, body: () => string][] = [
  ['wrong names', () => ofVariables({ input: namesWith(70_000, {}) })],
  ['as many wrong names as may be', () => ofVariables({ input: namesWith(19_000, {}) })],
  ['wrong names beside a long text', () => ofVariables({ input: namesWith(60, { title: 'x'.repeat(900_000) }) })],
  ['metadata of many names', () => ofVariables({ input: { metadata: namesWith(19_000, {}) } })],
  ['as many values as may be', () => withVariables(`[${'1,'.repeat(19_000)}1]`)],
  ['lists within lists', () => withVariables(`${brackets(240_000)}${']'.repeat(240_000)}`)],
  ...documents.map(
    ([name, make]) => [`a document of ${name}`, () => ofQuery(make(megabyte))] as [string, () => string],
  ),
  ...documents.map(
    ([name, make]) =>
      [`a document of ${name}, as long as it may be`, () => ofQuery(make(199_000))] as [string, () => string],
  ),
];

function namesWith(count: number, others: object): object {
  return { ...others, ...Object.fromEntries(Array.from({ length: count }, (_, at) => [`u${at}`, 1])) };
}

function ofVariables(values: object): string {
  return JSON.stringify({
    query: 'mutation ($input: CreateConversationInput!) { createConversation(input: $input) { __typename } }',
    variables: values,
  });
}

export const postAs = (url: string, body: string, token: string) =>
  post(url, body, { ...json, authorization: `Bearer ${token}` });

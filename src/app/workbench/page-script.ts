import { streamScript } from './stream-script.ts';

/**
 * What the page does before GraphiQL, and GraphiQL does not do by itself:
 *
 * - The start-up line links to the page with a token in the fragment, which no server and no log ever sees. The page
 *   takes it out of the address and keeps it in `sessionStorage`, which is this tab's own and ends with it. Each
 *   request and each socket carries it, unless somebody writes an `authorization` of their own into the headers. A
 *   further link signs in as whoever it names, also in the same tab, where it only changes the fragment.
 * - GraphiQL's tabs are kept there, too, with whatever secret is in their headers. Earlier versions kept them in
 *   `localStorage`, which outlives everything: what is left of them is removed.
 * - Of what it kept, GraphiQL opens the last query, variables and headers as one more tab, unless they are to the
 *   letter those of a tab. So they are made those of the tab that was open.
 * - A message needs a key that is new for each message and the same for each try to send it. Where the placeholder of
 *   the example still stands in the variables, each run puts a random one in its place. Somebody who wants to send a
 *   message twice writes a key there.
 * - Ids and cursors are long. Where their placeholders still stand in the variables, each run puts in their place what
 *   the last answer that had one said: so the example that streams follows the message that was sent last.
 * - Streams are shown as a reader has them, and go on after a lost connection: see stream-script.ts.
 */
export const pageScript = `
${streamScript}
// GraphiQL looks for the class when it is loaded, before it asks for its options.
let fillVariables = () => {};
window.WebSocket = resumingSockets(window.WebSocket, (variables) => fillVariables(variables));

function prepared(options) {
  const [tokenName, lastName] = ['colloquy:token', 'colloquy:last'];
  const kept = window.sessionStorage;
  const names = (storage) => Object.keys(storage).filter((name) => name.startsWith('graphiql:'));
  for (const name of names(window.localStorage)) window.localStorage.removeItem(name);
  const storage = {
    getItem: (name) => kept.getItem(name),
    setItem: (name, value) => kept.setItem(name, value),
    removeItem: (name) => kept.removeItem(name),
    clear: () => names(kept).forEach((name) => kept.removeItem(name)),
    get length() {
      return names(kept).length;
    },
  };

  function tabsOf(text) {
    try {
      const state = JSON.parse(text);
      return state.tabs[state.activeTabIndex] ? state : null;
    } catch {
      return null;
    }
  }

  const asked = new URLSearchParams(location.search);
  const token = new URLSearchParams(location.hash.slice(1)).get('token');
  let state = tabsOf(kept.getItem('graphiql:tabState'));
  if (token) {
    kept.setItem(tokenName, token);
    kept.removeItem(lastName); // ids of whoever was signed in before
    if (state) state = { ...state, tabs: state.tabs.map((tab) => ({ ...tab, headers: null })) };
  }
  if (state) kept.setItem('graphiql:tabState', JSON.stringify(state));
  history.replaceState(null, '', location.pathname);
  window.addEventListener('hashchange', () => location.reload());

  const given = asked.get('query') && { query: asked.get('query'), variables: asked.get('variables'), headers: null };
  const defaultTabs = given ? [given, ...options.defaultTabs] : options.defaultTabs;
  const open = given || (state ? state.tabs[state.activeTabIndex] : defaultTabs[0]);
  for (const part of ['query', 'variables', 'headers']) {
    if (open[part]) kept.setItem('graphiql:' + part, open[part]);
    else kept.removeItem('graphiql:' + part);
  }

  const bearer = () => (kept.getItem(tokenName) ? 'Bearer ' + kept.getItem(tokenName) : null);
  // crypto.randomUUID is there on secure pages only, and this one may be served over plain HTTP.
  const hex = (byte) => byte.toString(16).padStart(2, '0');
  const newKey = () => [...crypto.getRandomValues(new Uint8Array(16))].map(hex).join('');
  const last = () => JSON.parse(kept.getItem(lastName) || '{}');
  // What is remembered of an answer, by the name of the variable that takes it.
  function remember({ sendMessage, pendingApprovals } = {}) {
    const [approval] = pendingApprovals?.nodes ?? [];
    const { turn, cursor: after, conversation: at } = sendMessage ?? {};
    const sent = turn && { turn: turn.id, after, conversation: at?.id };
    const pending = approval && { approval: approval.id, argumentsSha256: approval.argumentsSha256 };
    if (sent || pending) kept.setItem(lastName, JSON.stringify({ ...last(), ...sent, ...pending }));
  }
  function fill(variables) {
    const known = last();
    for (const [name, value] of Object.entries(variables ?? {}))
      if (value === options.placeholders[name] && known[name]) variables[name] = known[name];
  }
  function filled(body) {
    try {
      const key = JSON.stringify(options.placeholders.idempotencyKey);
      const request = JSON.parse(body.replaceAll(key, () => JSON.stringify(newKey())));
      fill(request.variables);
      return JSON.stringify(request);
    } catch {
      return body;
    }
  }
  fillVariables = fill;
  // The authorization that somebody wrote into the headers: those do not reach a socket by themselves.
  let written = null;
  const send = window.fetch;
  window.fetch = (input, init = {}) => {
    if (new URL(input, location.href).origin !== location.origin) return send(input, init);
    const headers = new Headers(init.headers);
    written = headers.get('authorization');
    if (!written && bearer()) headers.set('authorization', bearer());
    const body = typeof init.body === 'string' ? filled(init.body) : init.body;
    const answered = send(input, { ...init, headers, body });
    answered.then((response) => response.clone().json()).then(({ data }) => remember(data ?? {})).catch(() => {});
    return answered;
  };
  const connectionParams = () => {
    const authorization = written || bearer();
    return authorization ? { authorization } : {};
  };
  // The address stays as it is: GraphiQL would put each edited query into it, and a long one could not be loaded again.
  return { ...options, defaultTabs, storage, connectionParams, onEditQuery: () => {} };
}
`;

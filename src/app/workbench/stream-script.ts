/**
 * What the page does with streams. GraphiQL shows the newest payload alone, which is a word or two, and gives up when a
 * connection is lost.
 *
 * `resumingSockets` makes a class of WebSockets for the graphql-ws client of the page:
 * - Beside each payload stands what the reader has by then, in `extensions`: the text so far, and the names of all
 *   events that are not text.
 * - A connection that is refused ends as a closed one, which the client of the page tries again for half a minute; then
 *   the page says what it was, of which an event of the browser shows nothing.
 * - A subscription that the client begins again on a new connection goes on after the last cursor that it had.
 */
export const streamScript = `
function resumingSockets(Plain, fill) {
  const streams = new Map(); // by the id of the operation, which stays the same when it is tried again

  function begin({ id, payload }) {
    const stream = streams.get(id);
    const resumes = stream?.cursor && /\\$after\\b/.test(payload.query);
    if (stream) payload.variables = { ...stream.variables, ...(resumes ? { after: stream.cursor } : {}) };
    else {
      if (streams.size >= 50) streams.delete(streams.keys().next().value); // of some nobody says that they have ended
      fill(payload.variables);
      streams.set(id, { variables: payload.variables ?? {}, cursor: null, texts: new Map(), events: [] });
    }
  }

  function apply(stream, event) {
    const part = event.messageId + ' ' + event.partIndex;
    const known = stream.texts.get(part) ?? { from: 0, text: '' };
    const end = known.from + known.text.length;
    if (event.__typename === 'TextDeltaEvent') {
      // A reader who joined later has not what came before.
      const isGap = event.offset > end;
      const grown = () => ({ ...known, text: known.text + event.text.slice(end - event.offset) });
      stream.texts.set(part, isGap ? { from: event.offset, text: event.text } : grown());
      if (stream.texts.size > 5) stream.texts.delete(stream.texts.keys().next().value);
      return;
    }
    if (event.__typename === 'PartReplacedEvent') {
      const { keepLength } = event;
      const kept = known.text.slice(0, Math.max(0, keepLength - known.from));
      stream.texts.set(part, { from: Math.min(known.from, keepLength), text: kept });
    }
    if (event.__typename === 'SnapshotEvent') stream.texts.clear();
    stream.events = [...stream.events, event.__typename].slice(-20);
  }

  // The first field of a payload, where that is a frame of events.
  const frameOf = ({ data }) => Object.values(data ?? {}).find((field) => field && Array.isArray(field.events));

  function shown(message) {
    const stream = streams.get(message.id);
    const frame = stream && message.type === 'next' ? frameOf(message.payload) : null;
    if (message.type === 'complete' || message.type === 'error') streams.delete(message.id);
    if (!frame) return message;
    stream.cursor = frame.cursor ?? stream.cursor;
    for (const event of frame.events) apply(stream, event);
    const texts = [...stream.texts.values()].map(({ from, text }) => (from > 0 ? '…' : '') + text);
    const soFar = { events: stream.events, text: texts.join(' ') };
    const { extensions, ...rest } = message.payload;
    return { ...message, payload: { extensions: { ...extensions, soFar }, ...rest } };
  }

  const rewritten = (text, change) => {
    try {
      return JSON.stringify(change(JSON.parse(text)));
    } catch {
      return text;
    }
  };

  return class extends Plain {
    send(text) {
      super.send(
        rewritten(text, (message) => {
          if (message.type === 'subscribe') begin(message);
          if (message.type === 'complete') streams.delete(message.id);
          return message;
        }),
      );
    }
    set onmessage(listener) {
      const rewrite = (event) => new MessageEvent('message', { data: rewritten(event.data, shown) });
      super.onmessage = listener && ((event) => listener(rewrite(event)));
    }
    set onerror(_listener) {} // a close event follows, which says as much and is tried again
    set onclose(listener) {
      const why = (reason) => reason || 'The connection was lost.';
      super.onclose =
        listener && (({ code, reason, wasClean }) => listener({ code, reason: why(reason), wasClean }));
    }
  };
}
`;

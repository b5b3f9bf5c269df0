/**
 * How the scripted model behaves. A user's message steers the answer to it by directives in double brackets, anywhere
 * in its text; tests may give the same as steps. Several can be combined. Of the messages only the last one of the user
 * counts. When the results of calls come back, the next step is played, and the last one, without its calls, for all
 * further ones.
 *
 * | directive | what the model does |
 * |---|---|
 * | `[[say text]]` | answers with this text |
 * | `[[tokens 500]]` | answers with so many tokens of filler ("word1 word2 …") |
 * | `[[stamps 500]]` | the same with the time at which each token leaves: microseconds of the monotonic clock |
 * | `[[speed 1000]]` | tokens per second for this answer; 0 is as fast as the connection takes them |
 * | `[[pause 2000]]` | waits so many milliseconds before the first token |
 * | `[[hold]]` | stops after the first delta until it is released (`release()`, `POST /v1/scripted/release`) |
 * | `[[fail 500]]` | refuses with this status; may be followed by an error code, `retry-after <seconds>`, `times <n>` |
 * | `[[fail 429 retry-after 1]]` | … and says when to come back |
 * | `[[fail 400 context_length_exceeded]]` | … and says why |
 * | `[[fail 500 times 1]]` | … only the first time that this very list of messages comes, then answers |
 * | `[[window 3]]` | refuses as too long what has more messages than that |
 * | `[[cut 20]]` | destroys the connection after so many deltas |
 * | `[[cut headers]]` | takes the request and destroys the connection without an answer |
 * | `[[no-finish]]` | ends the answer cleanly without a reason for the end |
 * | `[[no-finish done]]` | the same with `[DONE]` |
 * | `[[stall 10]]` | falls silent after so many deltas, with the connection open |
 * | `[[stall headers]]` | accepts the connection and never answers |
 * | `[[garbage]]` | breaks off in the middle of a line of JSON |
 * | `[[error 5]]` | sends an `error` object in the stream after so many deltas |
 * | `[[html]]` | answers 200 with a web page |
 * | `[[empty]]` | answers 200 with an empty event stream |
 * | `[[length]]` | breaks off half-way with the reason `length` |
 * | `[[filter]]` | breaks off half-way with the reason `content_filter` |
 * | `[[reasoning]]` | thinks aloud before it answers (`reasoning_content`) |
 * | `[[refuse]]` | refuses in the `refusal` field |
 * | `[[call name {"a": 1}]]` | calls a tool with these arguments, perhaps no JSON; several calls run in parallel |
 * | `[[then]]` | parts steps: what comes before it is for the first call of the model, what comes after for the next |
 * | `[[loop name {"a": 1}]]` | calls a tool again and again, until tools are forbidden |
 * | `[[surrogates]]` | splits an emoji in its middle between two deltas |
 * | `[[no-usage]]` | sends no token counts |
 * | `[[usage first]]` | sends the counts before the first delta already, so that an answer that is cut has them |
 * | `[[usage late 1500]]` | sends the counts so many milliseconds after the reason for the end |
 * | `[[usage {"prompt_tokens": 1e300}]]` | puts these counts in place of its own |
 */
export type Step =
  | { do: 'say'; text: string }
  | { do: 'tokens'; count: number }
  | { do: 'stamps'; count: number }
  | { do: 'speed'; tokensPerSecond: number }
  | { do: 'pause'; ms: number }
  | { do: 'fail'; status: number; code?: string; retryAfter?: number; times?: number }
  | { do: 'window'; messages: number }
  | { do: 'cut'; after: number | 'headers' }
  | { do: 'stall'; after: number | 'headers' }
  | { do: 'usage'; first?: boolean; lateMs?: number; counts?: object }
  | { do: 'error'; after: number }
  | { do: 'no-finish'; done?: boolean }
  | { do: 'call' | 'loop'; name: string; arguments: string }
  | { do: 'then' }
  | {
      do:
        | 'hold'
        | 'garbage'
        | 'html'
        | 'empty'
        | 'length'
        | 'filter'
        | 'reasoning'
        | 'refuse'
        | 'surrogates'
        | 'no-usage';
    };

type StepOf<K extends Step['do']> = Extract<Step, { do: K }>;

/** Bounded, and each character is looked at once: what is matched is whatever somebody typed. */
const directive = /\[\[([a-z-]{1,20})(\s[^[\]]{0,4000}|)\]\]/g;
const plain = new Set<string>([
  'then',
  'hold',
  'garbage',
  'html',
  'empty',
  'length',
  'filter',
  'reasoning',
  'refuse',
  'surrogates',
  'no-usage',
]);

/** Most a directive may ask for: the scripted server also answers in public demonstrations. */
const maxTokens = 100_000;
const maxPauseMs = 600_000;

const whole = (text: string | undefined, fallback: number, max: number): number =>
  text && /^\d+$/.test(text) ? Math.min(Number(text), max) : fallback;

function toFail(words: string[]): StepOf<'fail'> {
  const [status, ...rest] = words;
  const after = (name: string): string | undefined => (rest.includes(name) ? rest[rest.indexOf(name) + 1] : undefined);
  const [code] = rest.filter((word) => /^[a-z_]+$/.test(word) && word !== 'times');
  const retryAfter = whole(after('retry-after'), -1, 86_400);
  const times = whole(after('times'), -1, 1_000);
  return {
    do: 'fail',
    status: Math.max(400, whole(status, 500, 599)),
    ...(code && { code }),
    ...(retryAfter >= 0 && { retryAfter }),
    ...(times >= 0 && { times }),
  };
}

function toCall(text: string): Pick<StepOf<'call' | 'loop'>, 'name' | 'arguments'> {
  const [, name = '', rest = ''] = /^(\S*)\s*(.*)$/s.exec(text) ?? [];
  return { name, arguments: rest || '{}' };
}

function toCounts(text: string): object {
  try {
    const counts: unknown = JSON.parse(text);
    return typeof counts === 'object' && counts !== null ? counts : {};
  } catch (error) {
    if (error instanceof SyntaxError) return {};
    throw error;
  }
}

const withArguments: Record<string, (words: string[], text: string) => Step> = {
  say: (_, text) => ({ do: 'say', text }),
  call: (_, text) => ({ do: 'call', ...toCall(text) }),
  loop: (_, text) => ({ do: 'loop', ...toCall(text) }),
  tokens: ([count]) => ({ do: 'tokens', count: whole(count, 100, maxTokens) }),
  stamps: ([count]) => ({ do: 'stamps', count: whole(count, 100, maxTokens) }),
  speed: ([rate]) => ({ do: 'speed', tokensPerSecond: whole(rate, 25, 1_000_000) }),
  pause: ([ms]) => ({ do: 'pause', ms: whole(ms, 1_000, maxPauseMs) }),
  fail: toFail,
  window: ([messages]) => ({ do: 'window', messages: whole(messages, 3, 1_000) }),
  cut: ([after]) => ({ do: 'cut', after: after === 'headers' ? 'headers' : whole(after, 10, maxTokens) }),
  usage: ([how, ms], text) => {
    if (how === 'first') return { do: 'usage', first: true };
    return how === 'late'
      ? { do: 'usage', lateMs: whole(ms, 1_500, maxPauseMs) }
      : { do: 'usage', counts: toCounts(text) };
  },
  stall: ([after]) => ({ do: 'stall', after: after === 'headers' ? 'headers' : whole(after, 10, maxTokens) }),
  error: ([after]) => ({ do: 'error', after: whole(after, 5, maxTokens) }),
  'no-finish': ([done]) => ({ do: 'no-finish', done: done === 'done' }),
};

/** The steps that a message asks for; what is in brackets but no directive is ordinary text. */
export function parseDirectives(message: string): Step[] {
  return [...message.matchAll(directive)].flatMap(([, name = '', rest = '']): Step[] => {
    if (plain.has(name)) return [{ do: name } as Step];
    const text = rest.trim();
    return Object.hasOwn(withArguments, name) ? [withArguments[name]!(text.split(/\s+/), text)] : [];
  });
}

/** A message as a person meant it. */
export const withoutDirectives = (message: string): string =>
  message
    .replace(directive, (whole, name: string) => (plain.has(name) || Object.hasOwn(withArguments, name) ? '' : whole))
    .trim();

/** The step of a kind that counts: the last one. */
export const stepOf = <K extends Step['do']>(steps: readonly Step[], kind: K): StepOf<K> | undefined =>
  steps.findLast((step): step is StepOf<K> => step.do === kind);

/** What is to be done now, after so many rounds of calls: each `then` begins the next. */
export function stepsAfter(rounds: number, steps: readonly Step[]): Step[] {
  const groups: Step[][] = [[]];
  for (const step of steps) {
    if (step.do === 'then') groups.push([]);
    else groups.at(-1)!.push(step);
  }
  return groups[rounds] ?? groups.at(-1)!.filter((step) => step.do !== 'call');
}

import { wholeEnd } from '../../kernel/text.ts';
import { withoutDirectives } from './script.ts';

export type ScriptedMessage = {
  role: string;
  content: string;
  /** Of an assistant: what it called. */
  toolCalls?: { id: string; name: string; arguments: string }[];
  /** Of a result: the call. */
  toolCallId?: string;
};

/**
 * The deltas of a text: a word with the white space before it each. Their number is what the scripted server calls
 * tokens.
 */
export const wordsOf = (text: string): string[] => text.match(/\s*\S+|\s+$/g) ?? [];

/** A whole message costs four tokens more than its words, as with real models. */
export const promptTokens = (messages: readonly ScriptedMessage[]): number =>
  messages.reduce((sum, { content, toolCalls = [] }) => sum + 4 + wordsOf(content).length + toolCalls.length * 4, 0);

/** The text of the last message of the user, which is what an answer is about and where directives are looked for. */
export const questionOf = (messages: readonly ScriptedMessage[]): string =>
  messages.findLast(({ role }) => role === 'user')?.content ?? '';

const sinceQuestion = (messages: readonly ScriptedMessage[]): readonly ScriptedMessage[] =>
  messages.slice(messages.findLastIndex(({ role }) => role === 'user') + 1);

/** How many rounds of calls there were since the question. */
export const roundsOf = (messages: readonly ScriptedMessage[]): number =>
  sinceQuestion(messages).filter(({ toolCalls }) => toolCalls?.length).length;

/** What the tools said since the question, a line each. */
function findings(messages: readonly ScriptedMessage[]): string {
  const turnMessages = sinceQuestion(messages);
  const names = new Map(
    turnMessages.flatMap(({ toolCalls = [] }) => toolCalls.map(({ id, name }) => [id, name] as const)),
  );
  const results = turnMessages.filter(({ role }) => role === 'tool');
  return results
    .map(({ toolCallId = '', content }) => `- The tool ${names.get(toolCallId) ?? '?'} said: ${quote(content, 400)}\n`)
    .join('');
}

/** `count` tokens of nothing in particular, for load and for long answers. */
export const filler = (count: number): string => Array.from({ length: count }, (_, at) => `word${at + 1}`).join(' ');

/**
 * A token that says when it left: this is put in its place as it is written. Sixteen characters, as many as
 * microseconds will need for a while.
 */
export const stamp = '@@@@@@@@@@@@@@@ ';
export const stampNow = (): string =>
  `${(process.hrtime.bigint() / 1_000n).toString().padStart(stamp.length - 1, '0')} `;

const dull = new Set(
  (
    'about after also because been before being could does from have here into just like make more most much only ' +
    'other over please should some such tell than that their them then there these they this those very want were ' +
    'what when where which while will with would your explain'
  ).split(' '),
);

/** What the question is about: its longer words, in order, each once. */
function keywordsOf(question: string): string[] {
  const words = question.match(/\p{L}[\p{L}\p{M}\p{N}'’-]{3,}/gu) ?? [];
  const telling = new Map(
    words.filter((word) => !dull.has(word.toLowerCase())).map((word) => [word.toLowerCase(), word.slice(0, 30)]),
  );
  return [...telling.values()].slice(0, 4);
}

/** A piece of the question that cannot break the Markdown around it. */
function quote(question: string, length: number): string {
  const plain = question.replace(/[\s`*_#<>[\]|\\]+/g, ' ').trim();
  return plain.length <= length ? plain : `${plain.slice(0, wholeEnd(plain, length)).trimEnd()}…`;
}

/**
 * What a program asks for that quotes a conversation; null where a person asks. What is quoted then directs nothing.
 */
export function asideOf([first]: readonly ScriptedMessage[]): 'title' | 'summary' | null {
  if (first?.role !== 'system') return null;
  if (first.content.startsWith('Give this conversation a title')) return 'title';
  return first.content.startsWith('Summarise this conversation') ? 'summary' : null;
}

/** A summary as the scripted model makes it: how many questions there were, and the longer words of them. */
export function summaryFor(messages: readonly ScriptedMessage[]): string {
  const quoted = questionOf(messages);
  const said = [...quoted.matchAll(/^user: (.*)$/gm)].map(([, text = '']) => withoutDirectives(text));
  const earlier = /^Summary so far:\n(.*)$/m.exec(quoted)?.[1];
  return (
    `${earlier ? `${earlier} ` : ''}Then ${said.length} questions, about ` +
    `${keywordsOf(said.join(' ')).join(', ') || 'this and that'}.`
  );
}

/** A title as the scripted model makes it: the first longer words that the user said. */
export function titleFor(messages: readonly ScriptedMessage[]): string {
  const said = /^user: (.*)$/m.exec(questionOf(messages))?.[1] ?? '';
  return `About ${keywordsOf(withoutDirectives(said)).join(', ') || 'this and that'}`;
}

/**
 * The answer of the scripted model: a pure function of the messages, so that a test can say what must come out.
 * Of a moderate length, with what a client has to show right: a heading, a list, code, an emoji, other scripts.
 */
export function answerTo(messages: readonly ScriptedMessage[]): string {
  const question = withoutDirectives(questionOf(messages));
  const turn = messages.filter(({ role }) => role === 'user').length;
  const keywords = keywordsOf(question);
  const gist = quote(question, 48) || 'nothing in particular';
  const noticed = keywords.length ? keywords.map((word) => `**${word}**`).join(', ') : 'no long word at all';
  const earlier =
    turn > 1
      ? `I have seen ${turn - 1} earlier ${turn === 2 ? 'question' : 'questions'} of yours, so I keep the thread.`
      : 'It is your first.';
  return `## ${gist}

You wrote: “${quote(question, 160) || '…'}”. This is turn ${turn} of our conversation. ${earlier}

- What I noticed in it: ${noticed}.
${findings(messages)}- I am a **scripted** model 🤖: I do not think, I stream the same words for the same messages.
- Set \`OPENAI_API_KEY\`, or \`OPENAI_BASE_URL\` for a compatible server, and a real model will answer here.

\`\`\`js
const turn = { number: ${turn}, words: ${wordsOf(question).length} };
console.log('resumable at any token', turn);
\`\`\`

While this arrives you may reload the page, lose the network, or stop me: nothing that you have seen gets lost. \
Every script comes through whole: 你好，世界 · こんにちは · Привет · שלום · नमस्ते.`;
}

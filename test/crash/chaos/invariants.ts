import { isDelta } from '../../../src/contracts/turn-event.ts';
import { sha256 } from '../../kit/reader.ts';
import type { Evidence, MessageRow, TurnRow } from './evidence.ts';
import { isKill, isOfModel, isOfRedis } from './faults.ts';
import { recoveries } from './measures.ts';
import { allowance } from './pulse.ts';
import { keyOf } from './sender.ts';
import { modelPatienceMs } from './stage.ts';
import { toolInvariants } from './tool-invariants.ts';

/** What is wrong with the evidence, a line each; nothing where the promise was kept. */
export type Invariant = (evidence: Evidence) => string[];

const terminal = new Set(['COMPLETED', 'FAILED', 'CANCELLED', 'SUPERSEDED']);
const filler = (count: number): string => Array.from({ length: count }, (_, at) => `word${at + 1}`).join(' ');
const answerOf = ({ rows }: Evidence, turn: TurnRow): MessageRow | undefined =>
  rows.messages.find(({ turnId, role }) => turnId === turn.id && role === 'ASSISTANT');
const planOf = ({ records }: Evidence, turn: TurnRow) => records.find(({ plan }) => plan.key === turn.key)?.plan;
const only = (evidence: Evidence, kind: (name: Evidence['schedule']['faults'][number]['name']) => boolean): boolean =>
  evidence.schedule.faults.every(({ name }) => kind(name));

/** 1: what readers put together is the stored text, by the very hash that they were told. */
const textIsStored: Invariant = (evidence) =>
  evidence.watchers.flatMap(({ reader, plan }) =>
    reader.of('MessageCompletedEvent').flatMap((event) => {
      const row = evidence.rows.messages.find(({ id }) => id === keyOf(event.message.id));
      const text = reader.text(event.message.id);
      if (row?.content === text && sha256(text) === event.contentSha256 && row.sha256 === event.contentSha256)
        return [];
      return [
        `a reader over ${plan.transport} has ${text.length} characters of ${event.message.id}, stored are ${row?.content.length}`,
      ];
    }),
  );

/** 1: an honest model's answer is stored word for word, and of one that broke off nothing but its beginning. */
const answerIsTheModels: Invariant = (evidence) =>
  evidence.rows.turns.flatMap((turn) => {
    const plan = planOf(evidence, turn);
    const whole = (plan?.tools?.rounds ?? []).map(({ said }) => said).join('') + filler(plan?.tokens ?? 0);
    const answer = answerOf(evidence, turn);
    const isRight = turn.status === 'COMPLETED' ? answer?.content === whole : whole.startsWith(answer?.content ?? '');
    return isRight
      ? []
      : [`the answer of ${turn.key} (${turn.status}) is not what the model said: ${JSON.stringify(answer?.content)}`];
  });

/** 2: no reader was told of a hole, a repeat or anything out of order. */
const historiesAreWhole: Invariant = ({ watchers }) => watchers.flatMap(({ faults }) => faults);

const deltas = new Set(['TextDeltaEvent', 'ReasoningDeltaEvent', 'ToolArgumentsDeltaEvent']);

/**
 * 2 and 9: of everything that is no text, readers were told exactly what is in the log, once, by the number it has
 * there.
 */
const historiesAreTheLog: Invariant = ({ watchers, rows }) =>
  watchers.flatMap(({ reader, conversationId, plan, faults }) => {
    if (faults.length > 0) return [];
    const first = Number(reader.events[0]?.seq ?? 0);
    const log = rows.events.filter(
      (row) => row.conversationId === keyOf(conversationId) && row.seq >= first && !isDelta(row.body),
    );
    const told = reader.events.filter(({ __typename }) => !deltas.has(__typename));
    const [have, want] = [told.map(({ seq }) => Number(seq)), log.map(({ seq }) => seq)];
    return JSON.stringify(have) === JSON.stringify(want)
      ? []
      : [`a reader over ${plan.transport} was told of ${have}, in the log are ${want}`];
  });

/** 3: every turn ends, with exactly one terminal event, which is its last. */
const oneEnd: Invariant = ({ rows }) =>
  rows.turns.flatMap((turn) => {
    const events = rows.events.filter(({ turnId }) => turnId === turn.id);
    const ends = events.filter(({ body }) => body.type === 'turn-finished');
    if (!terminal.has(turn.status)) return [`${turn.key} is ${turn.status}`];
    return ends.length === 1 && ends[0] === events.at(-1)
      ? []
      : [`${turn.key} has ${ends.length} ends, and its last event is ${events.at(-1)?.body.type}`];
  });

/** 3: a killed process delays its turns by ten seconds at most, where nothing else is out of order. */
const recoveryIsQuick: Invariant = (evidence) =>
  only(evidence, (name) => isKill(name) || isOfRedis(name) || name === 'clocks-apart')
    ? recoveries(evidence).flatMap(({ key, at, ms }) =>
        ms > 10_000 + allowance(evidence.beats, at, at + ms)
          ? [`${key} went on ${ms} ms after its worker was killed`]
          : [],
      )
    : [];

/** 4: once another attempt has begun, not a word of an earlier one comes. */
const noLateWriter: Invariant = ({ rows, watchers }) => [
  ...rows.turns.flatMap((turn) => {
    const attempts = rows.events.flatMap(({ turnId, body }) =>
      turnId === turn.id && isDelta(body) ? [body.attempt] : [],
    );
    return attempts.some((attempt, at) => at > 0 && attempt < attempts[at - 1]!)
      ? [`${turn.key} has words of attempts ${attempts} in this order`]
      : [];
  }),
  ...watchers.flatMap(({ reader }) => {
    const newest = new Map<string, number>();
    return reader.of('TextDeltaEvent').flatMap(({ turnId, attempt }) => {
      const before = newest.get(turnId!) ?? 0;
      newest.set(turnId!, attempt);
      return attempt < before
        ? [`a reader was told words of attempt ${attempt} of ${turnId} after those of ${before}`]
        : [];
    });
  }),
];

/**
 * 5: one row for each call that was announced, none for another, each of the provider's under its own name and with its
 * own count. A stop may come between the announcement of the last call and the call: then there is neither.
 */
const everyCallIsBooked: Invariant = ({ rows, calls }) =>
  rows.turns.flatMap((turn) => {
    const attempts = rows.attempts
      .filter(({ turnId, requestedAt }) => turnId === turn.id && requestedAt)
      .map(({ number }) => number);
    const usage = rows.usage.filter(({ turnId }) => turnId === turn.id);
    const booked = usage.map(({ attempt }) => attempt).sort((a, b) => a - b);
    const made = calls.filter(({ turnKey }) => turnKey === turn.key);
    const wrong = usage.filter(({ requestId, source, outputTokens }) => {
      const call = made.find(({ number }) => requestId === `scripted-${number}`);
      if (source === 'PROVIDER') return !call || call.chunksSent - 2 !== outputTokens;
      return requestId !== null && !call;
    });
    return [
      ...(JSON.stringify(booked) === JSON.stringify(attempts)
        ? []
        : [`${turn.key} announced calls in its attempts ${attempts}, booked are ${booked}`]),
      ...(made.length <= usage.length ? [] : [`${turn.key} made ${made.length} calls, booked are ${usage.length}`]),
      ...wrong.map((row) => `${turn.key} has a row that is no call of the model's journal: ${JSON.stringify(row)}`),
    ];
  });

/** 5: the sums that hang on the ledger are its sums. */
const sumsAgree: Invariant = ({ rows }) =>
  rows.conversations.flatMap(({ id, totalTokens }) => {
    const turns = new Set(rows.turns.filter(({ conversationId }) => conversationId === id).map((turn) => turn.id));
    const sum = rows.usage.reduce((total, row) => total + (turns.has(row.turnId) ? row.totalTokens : 0), 0);
    return sum === totalTokens ? [] : [`conversation ${id} counts ${totalTokens} tokens, its rows have ${sum}`];
  });

/**
 * 6: however often and however parallel a message was sent, it is one turn, asked of the model once (or once after each
 * round of calls) unless something failed.
 */
const oneTurnForAKey: Invariant = ({ records, rows, calls }) =>
  records.flatMap(({ plan, answers, refusals }) => {
    const turns = new Set(answers.map(({ turnId }) => turnId));
    const stored = rows.turns.filter(({ key }) => key === plan.key);
    const made = calls.filter(({ turnKey }) => turnKey === plan.key).length;
    const attempts = rows.attempts.filter(({ turnId }) => turnId === stored[0]?.id).length;
    return [
      ...refusals.map((refusal) => `${plan.key} was refused: ${refusal}`),
      ...(turns.size <= 1 && stored.length === 1
        ? []
        : [`${plan.key} gave ${turns.size} turns to its senders, stored are ${stored.length}`]),
      ...(made <= attempts ? [] : [`${plan.key} was asked of the model ${made} times in ${attempts} attempts`]),
    ];
  });

/** 8 and 9: where the model is honest and can be reached, the answer is complete, whatever happens to the rest. */
const nothingElseFailsATurn: Invariant = (evidence) => {
  if (evidence.schedule.faults.some(({ name }) => isOfModel(name))) return [];
  // The model runs on the same machine: where that has no time for it, it is silent for longer than this stage has
  // patience.
  const isStarved = allowance(evidence.beats, 0, Number.POSITIVE_INFINITY) > modelPatienceMs;
  return evidence.rows.turns.flatMap((turn) => {
    const plan = planOf(evidence, turn);
    if (!plan || plan.behaviour === 'lie' || plan.stopAfter !== null || turn.status === 'COMPLETED') return [];
    if (isStarved && /fell silent|did not begin to answer/.test(turn.error?.message ?? '')) return [];
    const attempts = evidence.rows.attempts
      .filter(({ turnId }) => turnId === turn.id)
      .map(({ worker, outcome }) => `${outcome} at ${worker}`);
    return [
      `${turn.key} is ${turn.status}, though its model was honest: ${JSON.stringify(turn.error)}, attempts: ${attempts.join(', ')}`,
    ];
  });
};

/** 8: without Redis nobody waits for it. */
const nobodyWaitsForRedis: Invariant = (evidence) =>
  only(evidence, isOfRedis)
    ? evidence.records.flatMap(({ plan, answers, decisions }) =>
        [...answers, ...decisions].flatMap(({ sentAt, ms }) =>
          ms > 2_000 + Math.max(evidence.calmMs, allowance(evidence.beats, sentAt, sentAt + ms))
            ? [`${plan.key} was admitted or decided about after ${ms} ms, with nothing but Redis out of order`]
            : [],
        ),
      )
    : [];

/** 9: no process ends but by our hand, and one that is asked to leaves in order and in time. */
const processesLive: Invariant = ({ endings }) =>
  endings.flatMap(({ slot, code, signal, expected, output }) => {
    if (!expected) return [`${slot} ended by itself with ${signal ?? code}: ${output.slice(-800)}`];
    return signal === 'SIGKILL' || code === 0
      ? []
      : [`${slot} was asked to end and did with ${signal ?? code}: ${output.slice(-800)}`];
  });

/** 10: a model that lies never yields an answer that is called complete. */
const liesAreSeen: Invariant = (evidence) =>
  evidence.rows.turns.flatMap((turn) => {
    const plan = planOf(evidence, turn);
    return plan?.behaviour === 'lie' && turn.status === 'COMPLETED' ? [`${turn.key} is COMPLETED: ${plan.text}`] : [];
  });

export const invariants: Record<string, Invariant> = {
  'text is stored': textIsStored,
  'the answer is the model’s': answerIsTheModels,
  'histories are whole': historiesAreWhole,
  'histories are the log': historiesAreTheLog,
  'one end': oneEnd,
  'everything ends in time': ({ unfinished }) => unfinished,
  'recovery is quick': recoveryIsQuick,
  'no late writer': noLateWriter,
  'every call is booked': everyCallIsBooked,
  'sums agree': sumsAgree,
  'one turn for a key': oneTurnForAKey,
  'strangers see nothing': ({ leaks }) => leaks,
  'nothing else fails a turn': nothingElseFailsATurn,
  'nobody waits for Redis': nobodyWaitsForRedis,
  'processes live': processesLive,
  'lies are seen': liesAreSeen,
  ...toolInvariants,
};

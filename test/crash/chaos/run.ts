import { loadConfig } from '../../../src/app/config.ts';
import { pause } from '../../../src/kernel/async.ts';
import { NodeDocument, PollDocument, TurnDocument } from '../../generated/graphql.ts';
import { createTestClient } from '../../kit/client.ts';
import { decide } from './decider.ts';
import { callsOf, conversationsOf, type Evidence, readRows } from './evidence.ts';
import { faults } from './faults.ts';
import { invariants } from './invariants.ts';
import { type Journals, openJournals } from './journals.ts';
import { quantile, recoveries, stops } from './measures.ts';
import { feelPulse } from './pulse.ts';
import { actionMs, type ClientPlan, type Schedule, scheduleOf } from './schedule.ts';
import { send, stop, type TurnRecord } from './sender.ts';
import { modelPatienceMs, type Stage } from './stage.ts';
import { said, type Watcher, watch } from './watcher.ts';

export type Violation = { invariant: string; what: string };

/** What one run came to. */
export type Report = {
  seed: number;
  faults: string[];
  turns: number;
  /** How many turns ended in each way. */
  outcomes: Record<string, number>;
  /** How many calls of tools ended in each way. */
  toolCalls: Record<string, number>;
  /** Decisions that count, and those that came after another one. */
  decisions: [number, number];
  kills: number;
  interruptions: number;
  slowestAdmissionMs: number;
  recoveryMs: number[];
  stopMs: number[];
  /** The smallest work there is: median and worst. It says how busy the machine was. */
  pulseMs: [number, number];
  ms: number;
  violations: Violation[];
};

/**
 * After the last fault is taken back, everything must have come to its end within this, and what is waited for a model
 * that says nothing.
 */
const patienceMs = 30_000;
const { maxRetries } = loadConfig({}).turns;

/**
 * How long the answers of a conversation, which come one after another, may wait for a model that falls silent in the
 * middle: each is tried so often, and so often again by a worker that takes it over.
 */
const silenceMs = ({ clients, faults }: Schedule): number => {
  const silent = clients.map(({ turns }) => turns.filter(({ text }) => text.includes('[[stall')).length);
  return Math.max(...silent) * (maxRetries + 1) * (faults.length + 1) * modelPatienceMs;
};

/** Runs one schedule on a stage that is in order, and judges it. Leaves the stage in order. */
export async function run(stage: Stage, schedule: Schedule): Promise<Report> {
  const startedAt = Date.now();
  const endingsBefore = stage.endings.length;
  const records: TurnRecord[] = [];
  const watchers: Watcher[] = [];
  const journals = openJournals();
  const pulse = feelPulse(stage);
  let over = false;
  const acting = Promise.all(
    schedule.clients.map((plan) => act(stage, plan, { records, watchers, journals, isOver: () => over })),
  );
  const harming = Promise.all(
    schedule.faults.map(async (plan) => {
      await pause(plan.at);
      await faults[plan.name](stage, plan);
    }),
  );
  await Promise.all([harming, pause(actionMs)]);
  const isSeen = ({ answers }: TurnRecord): boolean =>
    answers.length > 0 &&
    watchers.every(
      (watcher) =>
        watcher.conversationId !== answers[0]!.conversationId ||
        watcher.faults.length > 0 ||
        watcher.has(answers[0]!.turnId),
    );
  let allSent = false;
  void acting.then(() => {
    allSent = true;
  });
  const isDone = (): boolean => allSent && records.every(isSeen);
  for (const end = Date.now() + patienceMs + silenceMs(schedule); !isDone() && Date.now() < end; ) await pause(50);
  const unfinished = [
    ...(allSent ? [] : ['clients are still sending']),
    ...records
      .filter((record) => !isSeen(record))
      .map(({ plan, failures }) => `${plan.key} has not ended for every reader; ${failures.slice(-3).join('; ')}`),
  ];
  over = true;
  await acting;
  await pulse.end();
  await stage.ready();
  for (const watcher of watchers) await watcher.leave();
  const evidence: Evidence = {
    ...{ schedule, startedAt, records, watchers, unfinished, beats: pulse.beats, calmMs: stage.calmMs },
    rows: await readRows(stage, conversationsOf(records)),
    calls: callsOf(stage, records),
    effects: journals.effects(),
    endings: stage.endings.slice(endingsBefore),
    leaks: await leaksOf(stage, records),
  };
  journals.remove();
  return reportOf(evidence);
}

/** A run without a fault: what is slow in a process that has just begun must not be taken for harm. */
export async function warmUp(stage: Stage): Promise<Report> {
  const report = await run(stage, { ...scheduleOf(0), faults: [] });
  stage.calmMs = report.slowestAdmissionMs;
  return report;
}

function reportOf(evidence: Evidence): Report {
  const { schedule, startedAt, rows, endings, watchers } = evidence;
  const beats = evidence.beats.map(({ ms }) => ms);
  const decisions = evidence.records.flatMap((record) => record.decisions);
  return {
    seed: schedule.seed,
    faults: schedule.faults.map(({ name }) => name),
    turns: rows.turns.length,
    outcomes: counted(rows.turns),
    toolCalls: counted(rows.toolCalls),
    decisions: [decisions.filter(({ counts }) => counts).length, decisions.filter(({ counts }) => !counts).length],
    kills: endings.filter(({ signal }) => signal === 'SIGKILL').length,
    interruptions: watchers.reduce((sum, { interruptions }) => sum + interruptions.length, 0),
    slowestAdmissionMs: Math.max(0, ...evidence.records.flatMap(({ answers }) => answers.map(({ ms }) => ms))),
    recoveryMs: recoveries(evidence).map(({ ms }) => ms),
    stopMs: stops(evidence),
    pulseMs: [quantile(beats, 0.5) ?? 0, quantile(beats, 1) ?? 0],
    ms: Date.now() - startedAt,
    violations: Object.entries(invariants).flatMap(([invariant, check]) =>
      check(evidence).map((what) => ({ invariant, what })),
    ),
  };
}

function counted(rows: readonly { status: string }[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { status } of rows) counts[status] = (counts[status] ?? 0) + 1;
  return counts;
}

type Acting = { records: TurnRecord[]; watchers: Watcher[]; journals: Journals; isOver: () => boolean };

/**
 * One client: its first message makes the conversation, the others go into it, and its readers follow from the first
 * on.
 */
async function act(
  stage: Stage,
  { user, api, turns, watchers: plans }: ClientPlan,
  { records, watchers, journals, isOver }: Acting,
): Promise<void> {
  const context = { stage, user, api, isOver };
  const startedAt = Date.now();
  const [first, ...others] = [...turns].sort((a, b) => a.at - b.at);
  await pause(first!.at);
  const made = await send(context, first!, { new: { metadata: journals.labels() } });
  records.push(made);
  const [answer] = made.answers;
  if (!answer) return;
  const from = { conversationId: answer.conversationId, cursor: answer.cursor, user };
  for (const plan of plans) watchers.push(await watch(stage, plan, from));
  await Promise.all([
    stopLater(made),
    decide(context, made),
    ...others.map(async (plan) => {
      await pause(plan.at - (Date.now() - startedAt));
      const record = await send(context, plan, { id: answer.conversationId });
      records.push(record);
      await Promise.all([stopLater(record), decide(context, record)]);
    }),
  ]);

  async function stopLater(record: TurnRecord): Promise<void> {
    if (record.plan.stopAfter === null || record.answers.length === 0) return;
    await pause(record.plan.stopAfter);
    await stop(context, record);
  }
}

/** Asks as somebody else for everything that a run has made. */
async function leaksOf(stage: Stage, records: readonly TurnRecord[]): Promise<string[]> {
  const leaks: string[] = [];
  const token = await stage.token('stranger');
  const [answer] = records.flatMap(({ answers }) => answers);
  if (!answer) return leaks;
  const { turnId, conversationId: id } = answer;
  for (const { port } of stage.apis) {
    const stranger = createTestClient(`http://127.0.0.1:${port}`, token);
    const asked = async <T>(what: string, work: () => Promise<T>, isNothing: (value: T) => boolean): Promise<void> => {
      const value = await work().catch((error: unknown) => said(error));
      if (typeof value === 'string' ? !value.includes('NOT_FOUND') : !isNothing(value))
        leaks.push(`a stranger asked for ${what} and got ${JSON.stringify(value)}`);
    };
    await asked(
      'a conversation',
      () => stranger.request(NodeDocument, { id }),
      ({ node }) => node === null,
    );
    await asked(
      'a turn',
      () => stranger.request(TurnDocument, { id: turnId }),
      ({ turn }) => turn === null,
    );
    await asked(
      'events',
      () => stranger.request(PollDocument, { id, after: null }),
      () => false,
    );
  }
  return leaks;
}

import { breathe } from '../../kernel/async.ts';
import { AnswerTooLargeError } from '../../kernel/errors.ts';
import type { AnswerShares, Holder } from './answer-shares.ts';

/** What an object of an answer takes by itself, with its fields that are short, in bytes. */
const objectBytes = 1_000;

/** An answer of some hundred objects is not waited for. */
const largeShape = 500 * objectBytes;

/**
 * What may be read at once of rows whose lengths are not known yet, in bytes: they are asked for together with their
 * lengths.
 */
export const unmeasured = 256_000;

/** Measuring a text of so many UTF-16 units costs more than finding it again. */
const longText = 1_000;

/** Bytes of a value as JSON. */
const jsonBytes = (value: unknown): number => (value === undefined ? 0 : Buffer.byteLength(JSON.stringify(value)));

/** Whose answer it is, and how its reader is let go. `cut` gives up sending it. */
type Recipient = { user: string; cut(): void };

/**
 * The budget of one answer. It counts what is read for it and what it will hold, takes as much from the shares of its
 * user and of the process before anything is read or written, and gives it back when the answer has been sent. Refuses
 * with an `AnswerTooLargeError`.
 */
export class AnswerBudget implements Holder {
  readonly user: string;
  readonly cut: () => void;
  held = 0;
  sentSince: number | null = null;
  private readonly shares: AnswerShares;
  /** Objects that it may have, by its shape. */
  private shape = 0;
  /** What it takes before it is known what it needs. */
  private ahead = 0;
  private foreseen = 0;
  private written = 0;
  private read = 0;
  /** What is being read and not measured yet. */
  private unread = 0;
  /** Long texts that stand in it, with their bytes as JSON: one may stand there many times. */
  private measured: Map<string, number> | null = null;
  private isClosed = false;
  /** A wait for room: whoever else needs some counts anew after it. */
  private waiting: Promise<void> | null = null;
  private found: AnswerTooLargeError | null = null;

  constructor(shares: AnswerShares, { user, cut }: Recipient) {
    this.shares = shares;
    this.user = user;
    this.cut = cut;
  }

  /** Why there will be no answer, where that is known. */
  get refusal(): AnswerTooLargeError | null {
    return this.found;
  }

  get carried(): number {
    return this.written;
  }

  /** How many objects it may have at the most. */
  expect(objects: number): void {
    this.shape = Math.min(objects * objectBytes, this.shares.limits.answer / 2);
  }

  /**
   * Before anything is read for it: an answer of many objects takes what it may hold at the most, so that few of them
   * are made at once, and none waits half made. Between two of them everybody else is served.
   */
  async begin(): Promise<void> {
    if (this.shape < largeShape) return;
    this.ahead = this.shares.limits.answer;
    await this.reserve();
    await breathe();
  }

  /** So many bytes more will stand in it; false where it is refused for that. */
  charge(bytes: number): boolean {
    this.written += bytes;
    return this.fits(this.written);
  }

  /**
   * So many bytes will at least be charged further on; false where that is too much already. It is not charged by this.
   */
  foresee(bytes: number): boolean {
    this.foreseen += bytes;
    return this.fits(this.foreseen);
  }

  /** The same of a value, as JSON. */
  chargeJson(value: unknown): boolean {
    if (this.found) return false;
    if (typeof value !== 'string') return this.charge(jsonBytes(value));
    if (value.length < longText) return this.charge(jsonBytes(value));
    this.measured ??= new Map();
    const known = this.measured.get(value) ?? jsonBytes(value);
    this.measured.set(value, known);
    return this.charge(known);
  }

  /** Reads something of a known length. */
  async readKnown<T>(bytes: number, read: () => Promise<T>): Promise<T> {
    this.count(bytes);
    await this.reserve();
    return read();
  }

  /** Reads something that tells its length when it has been read, and is not longer than `room`. */
  async readWithin<T>(room: number, read: (room: number) => Promise<{ value: T; bytes: number }>): Promise<T> {
    this.unread += room;
    try {
      await this.reserve();
      const { value, bytes } = await read(room);
      this.count(bytes);
      return value;
    } finally {
      this.unread -= room;
      if (this.waiting === null) this.trim();
    }
  }

  /**
   * The answer is made: takes what is missing before it is written, gives back what was too much, and waits for its
   * reader from now on.
   */
  async complete(): Promise<void> {
    if (this.written + this.read === 0 && this.held === 0) return; // it holds nothing but a few short fields
    this.ahead = 0;
    await this.reserve();
    if (this.isClosed) return;
    this.trim();
    this.shares.sends(this);
  }

  /** It has been sent, or its reader has gone. What is still being read for it is not read on. */
  close(): void {
    this.isClosed = true;
    this.shares.ends(this);
  }

  /** It has been sent, and the next answer to the same subscription begins. */
  renew(): void {
    this.shares.ends(this);
    this.sentSince = null;
    this.written = 0;
    this.foreseen = 0;
    this.read = 0;
    this.measured = null;
    this.found = null;
  }

  /** Gives back what it does not need. */
  private trim(): void {
    this.shares.release(this, this.held - this.needed());
  }

  private needed(): number {
    return Math.max(this.ahead, this.shape + this.written + this.read + this.unread);
  }

  private count(bytes: number): void {
    if (this.found) throw this.found;
    this.read += bytes;
    if (!this.fits(this.read)) throw this.found!;
  }

  /** Whether an answer may be so large; it is refused where it may not. False as well where it was refused before. */
  private fits(bytes: number): boolean {
    const { answer } = this.shares.limits;
    if (bytes > answer) this.found ??= AnswerTooLargeError.ofAnswer(bytes, answer);
    return this.found === null;
  }

  private async reserve(): Promise<void> {
    while (this.waiting !== null) await this.waiting;
    if (this.found) throw this.found;
    if (this.isClosed) throw AnswerTooLargeError.ofNobody();
    const wait = this.shares.acquire(this, this.needed() - this.held);
    if (!wait) return;
    this.waiting = wait
      .catch((error: AnswerTooLargeError) => {
        this.found ??= error;
      })
      .finally(() => {
        this.waiting = null;
        if (this.isClosed) this.shares.ends(this); // whoever left while it waited holds nothing
      });
    await this.waiting;
    if (this.found) throw this.found;
    if (this.isClosed) throw AnswerTooLargeError.ofNobody();
  }
}

import { AnswerTooLargeError } from '../../kernel/errors.ts';

/** In bytes of what answers hold, as stored or as JSON. */
export type AnswerLimits = {
  /** One answer may hold so much. */
  answer: number;
  /** All answers of one user that are under way. */
  user: number;
  /** All answers of this process that are under way. */
  process: number;
};

/** How long an answer waits for room, and how long one may take to be sent while others wait, in milliseconds. */
export type Patience = { waitMs: number; slowMs: number; lookMs: number };

const usual: Patience = { waitMs: 5_000, slowMs: 10_000, lookMs: 500 };

/** Of one user, and of all: those beyond it are refused at once. */
const maxWaitingOfUser = 1_000;
const maxWaiting = 5_000;

/**
 * Of somebody's answers under way: what they hold, how many wait, and the bytes that these have in memory meanwhile.
 */
type Use = { held: number; waiting: number; carried: number };

/** An answer that holds a share. */
export type Holder = {
  readonly user: string;
  /** What it holds now. */
  held: number;
  /** What it has in memory already, whether or not it holds a share of it. */
  readonly carried: number;
  /** Since when it has been on its way to its reader, by `performance.now()`; null while it is made. */
  sentSince: number | null;
  /** Gives up sending it. */
  cut(): void;
};

type Waiter = {
  holder: Holder;
  bytes: number;
  carried: number;
  resolve(): void;
  reject(error: AnswerTooLargeError): void;
  timer: NodeJS.Timeout;
};

/**
 * The shares of users and of the process. Whoever finds no room waits in line for a while: an answer that is half made
 * first, then whoever holds least, so that somebody who asks for much waits behind everybody else. An answer that is
 * small may use the last quarter of the process, which larger ones leave free. Where others wait, an answer whose
 * reader takes it too slowly is cut off.
 */
export class AnswerShares {
  readonly limits: AnswerLimits;
  private readonly patience: Patience;
  private readonly users = new Map<string, Use>();
  private readonly sending = new Set<Holder>();
  private waiters: Waiter[] = [];
  private held = 0;
  /** What answers that wait have in memory. */
  private carried = 0;
  private watch: NodeJS.Timeout | null = null;

  constructor(limits: AnswerLimits, patience: Patience = usual) {
    this.limits = limits;
    this.patience = patience;
  }

  /** What answers hold now, and how many wait. */
  get use(): { bytes: number; waiting: number; users: number } {
    return { bytes: this.held, waiting: this.waiters.length, users: this.users.size };
  }

  /** Takes so many more bytes for an answer. Null: it has them. Rejects with a refusal that may be tried again. */
  acquire(holder: Holder, bytes: number): Promise<void> | null {
    if (bytes <= 0) return null;
    if (holder.held + bytes > this.limits.user)
      return Promise.reject(AnswerTooLargeError.ofAnswer(holder.held + bytes, this.limits.user));
    // Whoever waits for an answer of their own is in nobody's way.
    const isFirst = this.isSmall(holder, bytes) || !this.waiters.some((waiter) => this.hasOwnRoom(waiter));
    if (isFirst && this.fits(holder, bytes)) {
      this.grant(holder, bytes);
      return null;
    }
    return this.wait(holder, bytes);
  }

  /** Gives back so many bytes. */
  release(holder: Holder, bytes: number): void {
    if (bytes <= 0) return;
    holder.held -= bytes;
    this.held -= bytes;
    const use = this.users.get(holder.user)!;
    use.held -= bytes;
    this.forget(holder.user, use);
    this.serve();
  }

  /** The answer is made: from now on its reader is what it waits for. */
  sends(holder: Holder): void {
    holder.sentSince = performance.now();
    this.sending.add(holder);
  }

  /** The answer is gone: whatever it waits for, it does not need any more. */
  ends(holder: Holder): void {
    this.sending.delete(holder);
    for (const waiter of this.waiters.filter((each) => each.holder === holder)) this.refuse(waiter);
    this.release(holder, holder.held);
  }

  private useOf(user: string): Use {
    const known = this.users.get(user) ?? { held: 0, waiting: 0, carried: 0 };
    this.users.set(user, known);
    return known;
  }

  private forget(user: string, { held, waiting }: Use): void {
    if (held === 0 && waiting === 0) this.users.delete(user);
  }

  /** An eighth of what a user may hold is small. */
  private isSmall(holder: Holder, bytes: number): boolean {
    return holder.held + bytes <= this.limits.user / 8;
  }

  private fits(holder: Holder, bytes: number): boolean {
    const room = this.isSmall(holder, bytes) ? this.limits.process : this.limits.process * 0.75;
    return this.held + bytes <= room && this.hasOwnRoom({ holder, bytes });
  }

  private hasOwnRoom({ holder, bytes }: Pick<Waiter, 'holder' | 'bytes'>): boolean {
    return (this.users.get(holder.user)?.held ?? 0) + bytes <= this.limits.user;
  }

  private grant(holder: Holder, bytes: number): void {
    this.useOf(holder.user).held += bytes;
    holder.held += bytes;
    this.held += bytes;
  }

  private wait(holder: Holder, bytes: number): Promise<void> {
    const use = this.useOf(holder.user);
    const carried = Math.max(0, holder.carried - holder.held);
    const { user, process } = this.limits;
    const isTooMuch = this.carried + carried > process || use.carried + carried > user;
    if (isTooMuch || this.waiters.length >= maxWaiting || use.waiting >= maxWaitingOfUser) {
      const refusal = this.refusalOf(holder, bytes);
      this.forget(holder.user, use);
      return Promise.reject(refusal);
    }
    use.waiting += 1;
    use.carried += carried;
    this.carried += carried;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.refuse(waiter), this.patience.waitMs);
      const waiter: Waiter = { holder, bytes, carried, resolve, reject, timer };
      this.waiters.push(waiter);
      this.watch ??= setInterval(() => this.cutSlow(), this.patience.lookMs).unref();
    });
  }

  /** Ends a wait, whatever comes of it. */
  private leave(waiter: Waiter): void {
    clearTimeout(waiter.timer);
    this.waiters.splice(this.waiters.indexOf(waiter), 1);
    const use = this.users.get(waiter.holder.user)!;
    use.waiting -= 1;
    use.carried -= waiter.carried;
    this.carried -= waiter.carried;
    this.forget(waiter.holder.user, use);
    if (this.waiters.length > 0 || !this.watch) return;
    clearInterval(this.watch);
    this.watch = null;
  }

  private refuse(waiter: Waiter): void {
    const refusal = this.refusalOf(waiter.holder, waiter.bytes);
    this.leave(waiter);
    waiter.reject(refusal);
    this.serve();
  }

  private refusalOf({ user }: Holder, bytes: number): AnswerTooLargeError {
    const ofUser = this.users.get(user)?.held ?? 0;
    const { user: perUser, process } = this.limits;
    return ofUser + bytes > perUser
      ? AnswerTooLargeError.ofShare(
          bytes,
          `your other answers under way hold ${ofUser} of the ${perUser} bytes that one user may`,
        )
      : AnswerTooLargeError.ofShare(
          bytes,
          `answers under way hold ${this.held} of the ${process} bytes that this server may`,
        );
  }

  /** Serves whoever can be: while somebody waits for room in the process, of those behind only small answers. */
  private serve(): void {
    if (this.waiters.length === 0) return;
    const heldBy = ({ holder }: Waiter) => this.users.get(holder.user)!.held;
    const line = [...this.waiters].sort(
      (a, b) => Number(b.holder.held > 0) - Number(a.holder.held > 0) || heldBy(a) - heldBy(b),
    );
    let isFull = false;
    for (const waiter of line) {
      const { holder, bytes } = waiter;
      if ((isFull && !this.isSmall(holder, bytes)) || !this.fits(holder, bytes)) {
        isFull ||= this.hasOwnRoom(waiter);
        continue;
      }
      this.grant(holder, bytes);
      this.leave(waiter);
      waiter.resolve();
    }
  }

  /** Of the answers that have been on their way for too long, the one that has been for longest makes room. */
  private cutSlow(): void {
    const [oldest] = this.sending;
    if (oldest && performance.now() - oldest.sentSince! > this.patience.slowMs) oldest.cut();
  }
}

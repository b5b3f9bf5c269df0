/** How far a turn has come while it runs in this process. */
export class TurnProgress {
  private number: number;
  private calls: boolean;
  private covers: number | null = null;

  constructor(attempt: number) {
    this.number = attempt;
    this.calls = false;
  }

  /** Number of the present attempt. */
  get attempt(): number {
    return this.number;
  }

  /** Whether it has called a tool, in this process or before. */
  get hasCalls(): boolean {
    return this.calls;
  }

  /** How many messages a summary is to stand for; null: there need be none. */
  get summarise(): number | null {
    return this.covers;
  }

  beginAttempt(number: number): void {
    this.number = number;
  }

  noteCall(): void {
    this.calls = true;
  }

  noteSummary(covers: number | null): void {
    this.covers = covers;
  }
}

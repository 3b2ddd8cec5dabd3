import { emptyList } from "../../../platform/index.js";

/** A writer with bytes to write. */
export interface Flushable {
  flush(): void;
}

/** Flushes writers after the running code, which may answer several calls: one write per connection for all of them. */
export class FlushQueue {
  private due = emptyList<Flushable>();
  private readonly run = (): void => {
    const { due } = this;
    this.due = emptyList();
    for (const writer of due) writer.flush();
  };

  add(writer: Flushable): void {
    if (this.due.length === 0) process.nextTick(this.run);
    this.due.push(writer);
  }

  /** Adds a writer without answers in its output: it is flushed at the end of this turn of the event loop. */
  addLate(writer: Flushable): void {
    setImmediate(() => writer.flush());
  }
}

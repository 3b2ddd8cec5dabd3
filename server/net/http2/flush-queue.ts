import { emptyList } from "../../../platform/index.js";
/** A writer with bytes that have been gathered. */
export interface Flushable {
  flush(): void;
}

/** Flushes writers once the code that runs now, and has answered some calls, is done: one write a connection for all of them. */
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

  /** Adds a writer with nothing that anybody waits for: it is flushed behind what this turn of the loop has to do. */
  addLate(writer: Flushable): void {
    setImmediate(() => writer.flush());
  }
}

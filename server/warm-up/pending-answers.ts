import type { Socket } from "node:net";

/** Counts the missing answers of a connection. */
export class PendingAnswers {
  private count = 0;
  private isClosed = false;
  private waiter: { resolve(): void; reject(error: Error): void } | undefined;

  constructor(socket: Socket) {
    socket.on("close", () => {
      this.isClosed = true;
      this.waiter?.reject(createClosedError());
    });
  }

  /** Resolves once `count` more answers have arrived. @throws Error if the connection closes earlier */
  expect(count: number): Promise<void> {
    this.count += count;
    return new Promise((resolve, reject) => {
      if (this.isClosed) reject(createClosedError());
      else this.waiter = { resolve, reject };
    });
  }

  onAnswered(): void {
    this.count -= 1;
    if (this.count === 0) this.waiter?.resolve();
  }
}

const createClosedError = (): Error => new Error("a connection of the warm-up was closed");

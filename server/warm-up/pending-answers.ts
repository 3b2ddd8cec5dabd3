import type { Socket } from "node:net";

/** Counts the answers that are to come on a connection. */
export class PendingAnswers {
  private count = 0;
  private isClosed = false;
  private settle: { resolve(): void; reject(error: Error): void } | undefined;

  constructor(socket: Socket) {
    socket.on("close", () => {
      this.isClosed = true;
      this.settle?.reject(closedError());
    });
  }

  /** Resolves once so many more answers have come. @throws Error if the connection closes before */
  expect(count: number): Promise<void> {
    this.count += count;
    return new Promise((resolve, reject) => {
      if (this.isClosed) reject(closedError());
      else this.settle = { resolve, reject };
    });
  }

  onAnswered(): void {
    this.count -= 1;
    if (this.count === 0) this.settle?.resolve();
  }
}

const closedError = (): Error => new Error("a connection of the warm-up was closed");

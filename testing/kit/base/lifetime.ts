/** The error text of calls to a closed test server, and of calls that were pending when it closed. */
export const closedText = "The test server is closed";

/** The time from the start of a test server to its end. At the end, pending calls are rejected. */
export class Lifetime {
  private readonly waiting = new Set<(error: Error) => void>();
  private isOver = false;

  /** Does nothing while the server is open. @throws Error if it is closed */
  check(): void {
    if (this.isOver) throw new Error(closedText);
  }

  /** Settles as `promise` does, or rejects when the server is closed before. */
  during<T>(promise: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.waiting.add(reject);
      void promise.then(resolve, reject).finally(() => this.waiting.delete(reject));
      if (this.isOver) reject(new Error(closedText));
    });
  }

  /** Rejects all pending calls. May be called twice. */
  rejectCalls(): void {
    this.isOver = true;
    for (const reject of this.waiting) reject(new Error(closedText));
    this.waiting.clear();
  }
}

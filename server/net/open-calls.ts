import type { GrpcStatus } from "../rpc/index.js";

/** Ends a call with a status. */
export type EndCall = (status: GrpcStatus) => void;

/** The calls under way, each with the function that ends it. */
export class OpenCalls {
  private readonly ends = new Set<EndCall>();
  private readonly waiting = new Set<() => void>();

  add(end: EndCall): void {
    this.ends.add(end);
  }

  has(end: EndCall): boolean {
    return this.ends.has(end);
  }

  /** Removes a call that has ended, or is about to. @returns whether it was under way: the caller then gives the one answer */
  take(end: EndCall): boolean {
    if (!this.ends.delete(end)) return false;
    if (this.ends.size === 0) for (const settled of [...this.waiting]) settled();
    return true;
  }

  endAll(status: GrpcStatus): void {
    for (const end of [...this.ends]) end(status);
  }

  /** Waits until none is under way, but no longer than this. */
  async settle(patienceMs: number): Promise<void> {
    if (this.ends.size === 0) return;
    await new Promise<void>((resolve) => {
      const settled = (): void => {
        clearTimeout(patience);
        this.waiting.delete(settled);
        resolve();
      };
      const patience = setTimeout(settled, patienceMs);
      this.waiting.add(settled);
    });
  }
}

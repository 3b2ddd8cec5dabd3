import { OpenCount } from "../http2/index.js";
import type { GrpcStatus } from "../../rpc/index.js";

/** Ends a call with a status. */
export type EndCall = (status: GrpcStatus) => void;

/** The calls in progress, each with the function that ends it. */
export class OpenCalls {
  private readonly ends = new Set<EndCall>();
  private readonly open = new OpenCount();

  add(end: EndCall): void {
    this.ends.add(end);
    this.open.add();
  }

  has(end: EndCall): boolean {
    return this.ends.has(end);
  }

  /** Removes a call at its end. @returns whether it was in progress: then the caller sends the answer */
  removeCall(end: EndCall): boolean {
    if (!this.ends.delete(end)) return false;
    this.open.remove();
    return true;
  }

  endAll(status: GrpcStatus): void {
    for (const end of [...this.ends]) end(status);
  }

  /** Waits until no call is in progress, for `timeoutMs` at most. */
  whenIdle(timeoutMs: number): Promise<void> {
    return this.open.whenNone(timeoutMs);
  }
}

import type { Clock } from "../../platform/index.js";
import type { GrpcStatus } from "../rpc/index.js";

/** A call, as the set of open calls uses it. */
interface OpenCall {
  endWith(status: GrpcStatus): void;
}

/** The calls of a gateway that are in progress. */
export class OpenGatewayCalls {
  private readonly open = new Set<OpenCall>();
  /** The unary calls. */
  private readonly unary = new Set<OpenCall>();
  private readonly waiting = new Set<() => void>();

  constructor(private readonly clock: Clock) {}

  add(call: OpenCall): void {
    this.open.add(call);
  }

  /** Adds a call to those for whose end `whenAnswered` waits. */
  addUnaryCall(call: OpenCall): void {
    this.unary.add(call);
  }

  delete(call: OpenCall): void {
    this.open.delete(call);
    if (this.unary.delete(call) && this.unary.size === 0) for (const onAnswered of [...this.waiting]) onAnswered();
  }

  /** Waits until no unary call is in progress, for `timeoutMs` at most. */
  async whenAnswered(timeoutMs: number): Promise<void> {
    if (this.unary.size === 0 || timeoutMs === 0) return;
    await new Promise<void>((resolve) => {
      const onAnswered = (): void => {
        stopTimer();
        this.waiting.delete(onAnswered);
        resolve();
      };
      const stopTimer = this.clock.after(timeoutMs, onAnswered);
      this.waiting.add(onAnswered);
    });
  }

  endAll(status: GrpcStatus): void {
    for (const call of [...this.open]) call.endWith(status);
  }
}

import type { Clock } from "../../platform/index.js";
import { ServerError } from "../base/index.js";
import type { Call, Method, ResponseStream } from "./method-table.js";

/** Whether the client wants to be refused rather than served by a member that knows no leader. */
export const requiresLeader = (call: Call): boolean => call.metadata("hasleader") === "true";

export interface LeaderRequiredOptions {
  readonly clock: Clock;
  readonly electionMs: number;
  readonly hasLeader: () => boolean;
}

/** etcd lets streams be for so many election timeouts: to open them all elsewhere costs more than a short election. */
const patience = 3;

/** Ends the streams that require a leader once there has been none for a while: their clients can go elsewhere. */
export class LeaderRequired {
  private readonly streams = new Set<ResponseStream<never>>();
  private leaderless = 0;
  private stopTicks: (() => void) | undefined = undefined;

  constructor(private readonly options: LeaderRequiredOptions) {}

  /** The same method, whose streams end with `no leader` if they ask for it. */
  guard(method: Method): Method {
    if (method.kind !== "bidi") return method;
    return {
      ...method,
      open: (call, stream) => {
        const sink = method.open(call, stream);
        if (!requiresLeader(call)) return sink;
        this.add(stream);
        return {
          onRequest: (request) => sink.onRequest(request),
          onHalfClose: () => sink.onHalfClose(),
          onClosed: () => {
            this.remove(stream);
            sink.onClosed();
          },
        };
      },
    };
  }

  private add(stream: ResponseStream<never>): void {
    this.streams.add(stream);
    this.stopTicks ??= this.options.clock.every(this.options.electionMs, () => this.tick());
  }

  private remove(stream: ResponseStream<never>): void {
    this.streams.delete(stream);
    if (this.streams.size > 0) return;
    this.stopTicks?.();
    this.stopTicks = undefined;
    this.leaderless = 0;
  }

  private tick(): void {
    this.leaderless = this.options.hasLeader() ? 0 : this.leaderless + 1;
    if (this.leaderless < patience) return;
    const error = new ServerError("no-leader", `no leader for ${patience} election timeouts`);
    for (const stream of [...this.streams]) stream.fail(error);
  }
}

import type { Clock } from "../../platform/index.js";
import { ServerError } from "../base/index.js";
import type { SessionListener } from "./sessions.js";

export interface LeaderRequiredOptions {
  readonly clock: Clock;
  readonly electionMs: number;
  readonly hasLeader: () => boolean;
}

/** etcd lets streams be for so many election timeouts: to open them all elsewhere costs more than a short election. */
const patience = 3;

/** Ends the sessions that require a leader once there has been none for a while: their clients can go elsewhere. */
export class LeaderRequired {
  private readonly sessions = new Set<SessionListener>();
  private leaderless = 0;
  private stopTicks: (() => void) | undefined = undefined;

  constructor(private readonly options: LeaderRequiredOptions) {}

  /** @param session is told `no-leader`, at every tick until it is removed */
  add(session: SessionListener): void {
    this.sessions.add(session);
    this.stopTicks ??= this.options.clock.every(this.options.electionMs, () => this.tick());
  }

  remove(session: SessionListener): void {
    this.sessions.delete(session);
    if (this.sessions.size > 0) return;
    this.stopTicks?.();
    this.stopTicks = undefined;
    this.leaderless = 0;
  }

  private tick(): void {
    this.leaderless = this.options.hasLeader() ? 0 : this.leaderless + 1;
    if (this.leaderless < patience) return;
    const error = new ServerError("no-leader", `no leader for ${patience} election timeouts`);
    for (const session of [...this.sessions]) session.onError(error);
  }
}

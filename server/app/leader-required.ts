import type { Clock } from "../../platform/index.js";
import { noMember, type RaftNode } from "../../raft/index.js";
import { ServerError } from "../base/index.js";
import type { SessionListener } from "./sessions.js";

/** The options of `LeaderRequired`. */
export interface LeaderRequiredOptions {
  readonly clock: Clock;
  readonly electionMs: number;
  readonly node: Pick<RaftNode, "status">;
}

/** Election timeouts without a leader after which sessions end, as in etcd: a short election costs less than new streams. */
const maxLeaderlessTimeouts = 3;

/** Ends the sessions that require a leader after a time without one, so that their clients can try other members. */
export class LeaderRequired {
  private readonly sessions = new Set<SessionListener>();
  private leaderless = 0;
  private stopTicks: (() => void) | undefined = undefined;

  constructor(private readonly options: LeaderRequiredOptions) {}

  /** Whether this member knows a leader. */
  get hasLeader(): boolean {
    return this.options.node.status().leader !== noMember;
  }

  /** Adds a session, which gets the error `no-leader` at every tick until it is removed. */
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
    this.leaderless = this.hasLeader ? 0 : this.leaderless + 1;
    if (this.leaderless < maxLeaderlessTimeouts) return;
    const error = new ServerError("no-leader", `no leader for ${maxLeaderlessTimeouts} election timeouts`);
    for (const session of [...this.sessions]) session.onError(error);
  }
}

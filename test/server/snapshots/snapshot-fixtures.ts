// Stores that are lists of rows, and positions in a log.
import type { LogIndex, LogPosition, MemberId, Term } from "../../../raft/index.js";
import type { Row } from "../../../store/index.js";
import { type AppliedState, encodeMarker } from "../../../server/replication/apply/applied-state.js";
import { Membership } from "../../../server/replication/apply/membership.js";
import { AuthState } from "../../../server/auth/auth-state.js";
import { Alarms } from "../../../server/replication/apply/alarms.js";
import { SeenProposals } from "../../../server/replication/apply/seen-proposals.js";
import type { NewStore } from "../../../server/snapshots/new-store.js";
import type { StoreRows } from "../../../server/snapshots/outgoing-snapshot.js";
import { toMemberId } from "../../../testing/ids.js";

export const position = (index: number, term = 1): LogPosition => ({ index: index as LogIndex, term: term as Term });

export const rowsOf = (count: number, size = 100): Row[] =>
  Array.from({ length: count }, (_, n) => [Buffer.from(`row ${String(n).padStart(6, "0")}`), Buffer.alloc(size, n)]);

/** The rows of a store at one moment. */
export class ListedRows implements StoreRows {
  readonly marker: Uint8Array;
  closed = false;
  private at = 0;

  constructor(
    private readonly rows: readonly Row[],
    where: LogPosition,
  ) {
    this.marker = encodeMarker(where);
  }

  next(maxBytes: number): Promise<readonly Row[]> {
    if (this.closed) return Promise.reject(new Error("read after it was closed"));
    const some: Row[] = [];
    for (let bytes = 0; bytes < maxBytes && this.at < this.rows.length;) {
      const row = this.rows[this.at++]!;
      bytes += row[0].length + row[1].length;
      some.push(row);
    }
    return Promise.resolve(some);
  }

  close(): Promise<void> {
    this.closed = true;
    return Promise.resolve();
  }
}

export const stateAt = ({ index, term }: LogPosition): AppliedState => ({
  index,
  term,
  membership: new Membership([{ ID: 1n, name: "", peerURLs: [], clientURLs: [], isLearner: false }]),
  seen: new SeenProposals(),
  alarms: new Alarms(),
  auth: new AuthState(),
});

/** A store that is being filled; `state` is its outcome. */
export class ListedStore implements NewStore {
  readonly rows: Row[] = [];
  state: "filling" | "finished" | "installed" | "discarded" = "filling";
  /** Awaited before each step. */
  before: (step: "write" | "finish" | "install" | "discard") => Promise<void> = () => Promise.resolve();

  constructor(private readonly where: LogPosition) {}

  async write(rows: readonly Row[]): Promise<void> {
    await this.before("write");
    this.rows.push(...rows.map(([key, value]): Row => [Uint8Array.from(key), Uint8Array.from(value)]));
  }

  async finishStore(): Promise<AppliedState> {
    await this.before("finish");
    this.state = "finished";
    return stateAt(this.where);
  }

  async install(): Promise<void> {
    await this.before("install");
    this.state = "installed";
  }

  async discard(): Promise<void> {
    await this.before("discard");
    this.state = "discarded";
  }
}

export const leader: MemberId = toMemberId(1n);

import { exponentialBounds, Histogram } from "../../platform/index.js";
import { type Durations, DurationsByKind } from "../base/index.js";

/** Requests by kind: those with one answer, and streams. */
export interface ClientRequests {
  unary: number;
  stream: number;
}

/** The most versions of clients that are counted by name; whatever comes later counts as `other`. */
const maxClientVersions = 32;

const rangeBounds = exponentialBounds(0.0001, 2, 20);

/** Counts the requests to an application. */
export class RequestStats {
  /** The time from a read to its answer, the wait for a quorum included. */
  readonly reads = new DurationsByKind<"Range" | "ReadonlyTxn">(exponentialBounds(0.001, 2, 14));
  /** The time that the store takes for a Range. */
  readonly ranges: Durations = { success: new Histogram(rangeBounds), failure: new Histogram(rangeBounds) };
  /** Watch sessions that are open. */
  watchStreams = 0;
  private readonly byVersion = new Map<string, ClientRequests>();

  /** The requests of clients by the version that they name. */
  get clientRequests(): Iterable<readonly [version: string, requests: ClientRequests]> {
    return this.byVersion;
  }

  /** Returns the counters of clients of a version; `undefined`: they name none. */
  requestsOf(version: string | undefined): ClientRequests {
    const named = version ?? "unknown"; // etcd's word
    const name = this.byVersion.has(named) || this.byVersion.size < maxClientVersions ? named : "other";
    let requests = this.byVersion.get(name);
    if (requests === undefined) this.byVersion.set(name, (requests = { unary: 0, stream: 0 }));
    return requests;
  }
}

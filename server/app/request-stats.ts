import { exponentialBounds, Histogram } from "../../platform/index.js";
import { type Durations, DurationsByKind } from "../base/index.js";

/** The numbers of requests by kind: unary ones, and streams. */
export interface ClientRequests {
  unary: number;
  stream: number;
}

/** The maximum number of client versions with their own counter; requests of further versions count as `other`. */
const maxClientVersions = 32;

const rangeBounds = exponentialBounds(0.0001, 2, 20);

/** Counts the requests to an application. */
export class RequestStats {
  /** Durations of reads, including the wait for a quorum. */
  readonly reads = new DurationsByKind<"Range" | "ReadonlyTxn">(exponentialBounds(0.001, 2, 14));
  /** Durations of Range in the store. */
  readonly ranges: Durations = { success: new Histogram(rangeBounds), failure: new Histogram(rangeBounds) };
  /** Open watch sessions. */
  watchStreams = 0;
  private readonly byVersion = new Map<string, ClientRequests>();

  /** The requests of clients by `client-api-version`. */
  get clientRequests(): Iterable<readonly [version: string, requests: ClientRequests]> {
    return this.byVersion;
  }

  /** Returns the counters of a client version; `undefined`: the request names none. */
  requestsOf(version: string | undefined): ClientRequests {
    const named = version ?? "unknown"; // as in etcd
    const name = this.byVersion.has(named) || this.byVersion.size < maxClientVersions ? named : "other";
    let requests = this.byVersion.get(name);
    if (requests === undefined) this.byVersion.set(name, (requests = { unary: 0, stream: 0 }));
    return requests;
  }
}

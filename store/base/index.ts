// The basic types of the store: keys and intervals, revisions, errors, limits, and long work in slices.

export { AnswerSize } from "./answer-size.js";
export type { StoreClock } from "./clock.js";
export {
  ClosedError,
  CompactedError,
  DamagedError,
  FutureRevisionError,
  KeyNotFoundError,
  LeaseExistsError,
  LeaseNotFoundError,
  ReadOnlyError,
  StoreError,
  TooLargeError,
  type StoreErrorCode,
} from "./errors.js";
export { emptyList } from "../../platform/index.js";
export { compareKeys, intervalOf, keyAfter, keyFromBytes, type Interval, type Key } from "./interval.js";
export { type LeaseId, leaseIdFrom, noLease } from "./lease-id.js";
export { defaultLimits, type StoreLimits } from "./limits.js";
export { firstRevision, neverCompacted, nextRevision, type Revision } from "./revision.js";
export { sortInSlices } from "./sort-in-slices.js";
export { runAtOnce, type ShouldYield, type Sliced } from "./slices.js";
export { StoreStats } from "./store-stats.js";
export { Turns } from "./turns.js";

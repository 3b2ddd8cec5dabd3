// Requests that can be sent alone or in a transaction: Range, Put and DeleteRange.
import fc from "fast-check";
import type {
  DeleteRangeRequest,
  PutRequest,
  RangeRequest,
  RangeRequest_SortOrder,
  RangeRequest_SortTarget,
} from "../../../proto/index.js";
import { choose, seldom, mostly } from "./chance.js";
import { all, bounded, empty, from, interval, type Interval, key, one, some, value } from "./keys.js";
import { bound, highest, type Late, lowest, readRevision } from "./revisions.js";

export interface Sort {
  readonly sortOrder: RangeRequest_SortOrder;
  readonly sortTarget: RangeRequest_SortTarget;
}
const order = fc.constantFrom<RangeRequest_SortOrder[]>(0, 1, 2);
const target = fc.constantFrom<RangeRequest_SortTarget[]>(0, 1, 2, 3, 4);
export const sort = choose<Sort>(
  [1, fc.constant({ sortOrder: 0, sortTarget: 0 })],
  [1, fc.record({ sortOrder: order, sortTarget: target })],
);
/** Unknown sort orders, with known and unknown targets. */
export const oddSort = fc
  .record({ sortOrder: fc.constantFrom(3, 7, -1), sortTarget: fc.constantFrom(0, 1, 5, 9) })
  .map((numbers) => numbers as unknown as Sort);

export const range = (sort: fc.Arbitrary<Sort>, oddness: number): fc.Arbitrary<Late<RangeRequest>> =>
  fc
    .record({
      interval,
      sort,
      limit: choose([6, fc.constant(0n)], [6, fc.bigInt(1n, 4n)], [1, fc.constantFrom(-1n, lowest, highest)]),
      revision: readRevision(oddness),
      flags: fc.record({ serializable: seldom(5), keysOnly: seldom(6), countOnly: seldom(8) }),
      minModRevision: bound,
      maxModRevision: bound,
      minCreateRevision: bound,
      maxCreateRevision: bound,
    })
    .map((late) => (at) => ({
      ...late.interval,
      ...late.sort,
      ...late.flags,
      limit: late.limit,
      revision: late.revision(at),
      minModRevision: late.minModRevision(at),
      maxModRevision: late.maxModRevision(at),
      minCreateRevision: late.minCreateRevision(at),
      maxCreateRevision: late.maxCreateRevision(at),
    }));

/** Lease ids, none of which exists. */
const lease = mostly(0n, 30, fc.constantFrom(1n, -1n, 0x1234_5678_9abc_def0n));

export const put: fc.Arbitrary<PutRequest> = fc
  .record({
    key,
    value,
    lease,
    prevKv: seldom(3),
    ignoreValue: seldom(7),
    ignoreLease: seldom(7),
    careless: seldom(4),
  })
  .map(({ careless, ...request }) => {
    if (careless) return { ...request, lease: request.ignoreLease ? 1n : request.lease };
    // A value or lease that is to be kept may not be given as well.
    return {
      ...request,
      value: request.ignoreValue ? empty : request.value,
      lease: request.ignoreLease ? 0n : request.lease,
    };
  });

/** Puts that give both value and lease. */
export const completePut = put.map<PutRequest>((request) => ({ ...request, ignoreValue: false, ignoreLease: false }));

const deleteOf = (intervals: fc.Arbitrary<Interval>): fc.Arbitrary<DeleteRangeRequest> =>
  fc.record({ interval: intervals, prevKv: seldom(3) }).map(({ interval, prevKv }) => ({ ...interval, prevKv }));
export const deleteRange = deleteOf(choose([20, one], [5, some], [2, from], [2, all]));
export const boundedDelete = deleteOf(choose([20, one], [5, bounded]));

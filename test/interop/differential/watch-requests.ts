// Requests on watch streams, with all options of a watcher.
import fc from "fast-check";
import {
  WatchCreateRequest,
  type WatchCreateRequest_FilterType as Filter,
  type WatchRequest,
  type WatchResponse,
} from "../../../proto/index.js";
import { choose, seldom, mostly } from "./chance.js";
import { interval } from "./keys.js";
import { aroundCompaction, exactly, future, highest, type Late, lowest, recent } from "./revisions.js";

/** A request that every stream refuses; its answer shows that all earlier requests have been answered. */
export const fence: WatchRequest = {
  requestUnion: {
    $case: "createRequest",
    value: WatchCreateRequest.create({ key: Buffer.from("b"), rangeEnd: Buffer.from("a") }),
  },
};
export const isFence = ({ created, canceled }: WatchResponse): boolean => created && canceled;

/** The lowest free ids, and some that are not assigned. */
const watchId = choose([3, fc.constantFrom(1n, 2n, 3n)], [1, fc.constantFrom(-1n, 7n, highest)]);
/** The id for watchers that start at a negative revision, which only etcd creates; no other watcher gets it. */
const outOfTheWay = 70n;

const filters = choose<readonly Filter[]>(
  [12, fc.constant([])],
  [3, fc.constant([0])],
  [3, fc.constant([1])],
  [1, fc.constantFrom([0, 1], [1, 1], [7 as Filter])],
);
const start = choose(
  [10, exactly(0n)],
  [10, recent],
  [3, aroundCompaction],
  [3, future],
  [1, exactly(highest)],
  [1, fc.constantFrom(-1n, lowest).map<Late<bigint>>((revision) => () => revision)],
);

const create: fc.Arbitrary<Late<WatchRequest>> = fc
  .record({
    interval,
    start,
    filters,
    id: mostly(0n, 3, watchId),
    flags: fc.record({ prevKv: fc.boolean(), fragment: seldom(3), progressNotify: seldom(3) }),
  })
  .map<Late<WatchRequest>>(({ interval, start, filters, id, flags }) => (at) => {
    const startRevision = start(at);
    const value = {
      ...WatchCreateRequest.create({ ...interval, ...flags, startRevision }),
      watchId: startRevision < 0n ? outOfTheWay : id,
      // A watcher without events and notices would not show whether it has caught up.
      filters: startRevision === 0n ? [...filters] : filters.slice(0, 1),
    };
    return { requestUnion: { $case: "createRequest", value } };
  });
const cancel = choose([4, fc.constantFrom(0n, 1n, 2n, 3n)], [1, fc.constantFrom(-1n, 7n, 99n, highest)]).map(
  (watchId) => (): WatchRequest => ({ requestUnion: { $case: "cancelRequest", value: { watchId } } }),
);
const progress = fc.constant((): WatchRequest => ({ requestUnion: { $case: "progressRequest", value: {} } }));
const nothing = fc.constant((): WatchRequest => ({ requestUnion: undefined }));

export const watchRequest: fc.Arbitrary<Late<WatchRequest>> = choose(
  [16, create],
  [4, cancel],
  [2, progress],
  [1, nothing],
);
export const createRequest = create;

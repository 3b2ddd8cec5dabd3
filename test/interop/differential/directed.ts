// Sequences that have all expected outcomes, whatever the seed: the generated ones have them nearly always.
import {
  DeleteRangeRequest,
  PutRequest,
  WatchCreateRequest,
  type RequestOp,
  type WatchCreateRequest_FilterType as Filter,
  type WatchRequest,
} from "../../../proto/index.js";
import { everything } from "./keys.js";
import type { LiveStep } from "./live-sequences.js";
import type { Request } from "./requests.js";
import { lateOf, type Late } from "./revisions.js";

const key = (text: string) => Buffer.from(text);
const ask = (request: Request): LiveStep => ({ kind: "ask", request: lateOf(request) });
const putOf = (text: string, lease = 0n) => PutRequest.create({ key: key(text), value: key("1"), lease });
const put = (text: string, lease?: bigint) => ask({ method: "put", message: putOf(text, lease) });
const del = (text: string) => ask({ method: "deleteRange", message: DeleteRangeRequest.create({ key: key(text) }) });
const putTogether = (texts: readonly string[], lease?: bigint) => {
  const success = texts.map<RequestOp>((text) => ({ request: { $case: "requestPut", value: putOf(text, lease) } }));
  return ask({ method: "txn", message: { compare: [], success, failure: [] } });
};
const compact: LiveStep = {
  kind: "ask",
  request: ({ now }) => ({ method: "compact", message: { revision: now, physical: true } }),
};

const grant = (ID: bigint, TTL: bigint) => ask({ method: "leaseGrant", message: { ID, TTL } });
const revoke = (ID: bigint) => ask({ method: "leaseRevoke", message: { ID } });
const timeToLive = (ID: bigint, keys = false) => ask({ method: "leaseTimeToLive", message: { ID, keys } });
const list = ask({ method: "leaseLeases", message: {} });

const leases: readonly LiveStep[] = [
  grant(1n, 600n),
  grant(1n, 600n), // an existing id
  grant(2n, 1n), // raised to the shortest TTL
  grant(2n, 9_000_000_001n), // too large
  revoke(2n),
  list,
  grant(0n, 600n),
  list,
  put("a", 1n),
  putTogether(["b", "c"], 1n),
  timeToLive(1n, true),
  timeToLive(1n),
  timeToLive(99n),
  ask({ method: "leaseKeepAlive", message: { ids: [1n, 99n] } }),
  put("a", 99n),
  putTogether(["a"], 99n),
  revoke(1n),
  revoke(1n),
];

const tell = (stream: number, request: Late<WatchRequest>): LiveStep => ({ kind: "tell", stream, request });
const watch = (
  stream: number,
  filters: readonly Filter[],
  start: Late<bigint> = () => 0n,
  asked: Parameters<typeof WatchCreateRequest.create>[0] = {},
): LiveStep =>
  tell(stream, (at) => {
    const value = { ...everything, prevKv: true, filters: [...filters], startRevision: start(at), ...asked };
    return { requestUnion: { $case: "createRequest", value: WatchCreateRequest.create(value) } };
  });
const cancel = (stream: number, watchId: bigint) =>
  tell(stream, lateOf({ requestUnion: { $case: "cancelRequest", value: { watchId } } }));
const progress = (stream: number) => tell(stream, lateOf({ requestUnion: { $case: "progressRequest", value: {} } }));

/** Puts and deletions of existing and missing keys, and several in one transaction. */
const changes = [put("a"), put("a"), del("a"), putTogether(["a", "b"]), del("b")];
const noPuts = 0;
const noDeletions = 1;
/** Filters of watchers; the last two receive no deletions, or nothing at all. */
const filtered: readonly (readonly Filter[])[] = [[], [noPuts], [noDeletions], [noPuts, noDeletions]];

const live: readonly LiveStep[] = [
  ...filtered.map((filters) => watch(0, filters)),
  watch(0, [], () => 0n, { watchId: 7n }),
  watch(0, [], () => 0n, { watchId: 7n }), // a duplicate id
  watch(0, [], () => 0n, { key: key("b"), rangeEnd: key("a") }), // an empty range
  progress(0),
  ...changes,
  cancel(0, 7n),
  cancel(0, 99n),
  watch(1, [], ({ now }) => now + 1_000n),
  progress(1), // the watcher starts in the future
  watch(2, [], () => -1n, { watchId: 70n }),
  ...changes,
];

/** Watches from the time when both stores were empty: the first revision that they have is that of the compaction. */
const past: readonly LiveStep[] = [
  ...changes,
  ...filtered.slice(0, 3).map((filters) => watch(0, filters, ({ compacted }) => compacted + 1n)),
];

const compacted: readonly LiveStep[] = [
  ...changes,
  compact,
  put("a"),
  watch(0, [], ({ compacted }) => compacted), // the revision has a deletion
  watch(1, [], ({ compacted }) => compacted - 1n), // compacted
  watch(1, []),
  progress(1),
];

export const directed: readonly (readonly LiveStep[])[] = [leases, live, past, compacted];

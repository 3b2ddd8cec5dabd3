// A change so large that watchers with fragments receive it in parts, and others whole.
import { DeleteRangeRequest, PutRequest, WatchCreateRequest } from "../../../proto/index.js";
import { everything } from "./keys.js";
import { limits } from "./limits.js";
import type { LiveStep } from "./live-sequences.js";
import { lateOf } from "./revisions.js";

/** Bytes of a response beyond the largest request. */
const headroom = 512 * 1024;
const valueBytes = limits.maxRequestBytes - 1_024;
/** Number of keys: enough for two parts, and too few to fill a stream of ours. */
const count = Math.ceil((1.5 * (limits.maxRequestBytes + headroom)) / valueBytes);

const put = (index: number): LiveStep => {
  const key = Buffer.from(`k${String(index).padStart(3, "0")}`);
  return {
    kind: "ask",
    request: lateOf({ method: "put", message: PutRequest.create({ key, value: Buffer.alloc(valueBytes) }) }),
  };
};
const watch = (stream: number, fragment: boolean): LiveStep => {
  const value = WatchCreateRequest.create({ ...everything, prevKv: true, fragment });
  return { kind: "tell", stream, request: lateOf({ requestUnion: { $case: "createRequest", value } }) };
};

export const fragments: readonly LiveStep[] = [
  ...Array.from({ length: count }, (_, index) => put(index)),
  watch(0, true),
  watch(1, false),
  {
    kind: "ask",
    request: lateOf({ method: "deleteRange", message: DeleteRangeRequest.create(everything) }),
  },
];

import { Compare_CompareResult, Compare_CompareTarget } from "../proto/index.js";
import type { Compare } from "../proto/index.js";
import { intervalOf, keyFromBytes } from "./interval.js";
import type { KeyEntry } from "./key-index.js";
import { isTombstone, noBytes, valueOf } from "./key-value.js";
import type { StoreData } from "./store-data.js";

/**
 * Whether a compare holds now, for every key that it names.
 *
 * @see etcd v3 API, Compare
 */
export function compareHolds(data: StoreData, compare: Compare): boolean {
  if (compare.rangeEnd.length === 0) return holdsFor(data, compare, data.index.live(keyFromBytes(compare.key)));
  const seen = { any: false, failing: false };
  data.index.walk(intervalOf(compare), (entry) => {
    if (isTombstone(entry.newest)) return true;
    seen.any = true;
    seen.failing = !holdsFor(data, compare, entry);
    return !seen.failing;
  });
  return seen.any ? !seen.failing : holdsFor(data, compare, undefined);
}

/** A missing key counts as one whose fields are all 0; but no statement about its value holds, not even "not equal". */
function holdsFor(data: StoreData, compare: Compare, entry: KeyEntry | undefined): boolean {
  switch (compare.target) {
    case Compare_CompareTarget.VALUE:
      return (
        entry !== undefined && isAsked(compare, Buffer.compare(valueOf(data.values.newest(entry)), asked(compare)))
      );
    case Compare_CompareTarget.VERSION:
      return isAsked(compare, order(entry?.newest.version ?? 0, operand(compare, "version")));
    case Compare_CompareTarget.CREATE:
      return isAsked(compare, order(entry?.newest.create ?? 0, operand(compare, "createRevision")));
    case Compare_CompareTarget.MOD:
      return isAsked(compare, order(entry?.newest.mod ?? 0, operand(compare, "modRevision")));
    case Compare_CompareTarget.LEASE:
      return isAsked(compare, order(entry?.newest.lease ?? 0, operand(compare, "lease")));
    default:
      return isAsked(compare, 0); // a target of the future: etcd takes both sides for equal
  }
}

/** An operand of another kind than the target counts as 0, or as empty. */
function operand(compare: Compare, kind: "version" | "createRevision" | "modRevision" | "lease"): bigint {
  return compare.targetUnion?.$case === kind ? compare.targetUnion.value : 0n;
}

const asked = (compare: Compare): Uint8Array =>
  compare.targetUnion?.$case === "value" ? compare.targetUnion.value : noBytes;

const order = (held: number | bigint, against: bigint): number => (held < against ? -1 : held > against ? 1 : 0);

function isAsked(compare: Compare, ordered: number): boolean {
  switch (compare.result) {
    case Compare_CompareResult.EQUAL:
      return ordered === 0;
    case Compare_CompareResult.NOT_EQUAL:
      return ordered !== 0;
    case Compare_CompareResult.GREATER:
      return ordered > 0;
    case Compare_CompareResult.LESS:
      return ordered < 0;
    default:
      return true; // a result of the future: as in etcd
  }
}

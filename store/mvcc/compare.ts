import { Compare_CompareResult, Compare_CompareTarget } from "../../proto/index.js";
import type { Compare } from "../../proto/index.js";
import { intervalOf, type Sliced } from "../base/index.js";
import type { KeyEntry } from "./key-index.js";
import { decodeKeyValue, noBytes, valueOf, type KeyState } from "./key-value.js";
import type { StoreData } from "./store-data.js";

/** A key as it was at one revision. */
interface KeyAtRevision {
  readonly state: KeyState;
  /** The encoded KeyValue: found when it is asked for. */
  readonly keyValue: () => Uint8Array;
}

/**
 * Whether a compare holds at revision `at`, for every key that it names; in slices.
 *
 * @param shouldYield told how many keys were looked at since it was asked last; true: others are to run
 * @see etcd v3 API, Compare
 */
export function* evaluateCompare(
  data: StoreData,
  compare: Compare,
  at: number,
  shouldYield: (keys: number) => boolean,
): Sliced<boolean> {
  if (compare.rangeEnd.length === 0) {
    if (shouldYield(1)) yield;
    return evaluateCompareOfKey(data, compare, at);
  }
  const seen = { any: false, failing: false };
  yield* data.index.walkSliced(intervalOf(compare), shouldYield, (entry) => {
    const compared = findKeyAt(data, entry, at);
    if (compared === undefined) return true;
    seen.any = true;
    seen.failing = !isSatisfiedBy(compare, compared);
    return !seen.failing;
  });
  return seen.any ? !seen.failing : isSatisfiedBy(compare, undefined);
}

/** Whether a compare of one key holds at revision `at`. */
export function evaluateCompareOfKey(data: StoreData, compare: Compare, at: number): boolean {
  const entry = data.index.find(compare.key);
  return isSatisfiedBy(compare, entry && findKeyAt(data, entry, at));
}

/** Undefined: the key did not exist. */
function findKeyAt({ values }: StoreData, entry: KeyEntry, at: number): KeyAtRevision | undefined {
  const put = entry.putAt(at);
  if (put === undefined) return undefined;
  if (put === entry.newest) return { state: entry.newest, keyValue: () => values.readNewest(entry) };
  const keyValue = values.readAt(put.mod, put.sub);
  return { state: decodeKeyValue(keyValue, put.sub).state, keyValue: () => keyValue };
}

/** A missing key counts as one whose fields are all 0; but no statement about its value holds, not even "not equal". */
function isSatisfiedBy(compare: Compare, compared: KeyAtRevision | undefined): boolean {
  switch (compare.target) {
    case Compare_CompareTarget.VALUE:
      return (
        compared !== undefined &&
        matchesResult(compare, Buffer.compare(valueOf(compared.keyValue()), valueOperandOf(compare)))
      );
    case Compare_CompareTarget.VERSION:
      return matchesResult(compare, compareNumbers(compared?.state.version ?? 0, operandOf(compare, "version")));
    case Compare_CompareTarget.CREATE:
      return matchesResult(compare, compareNumbers(compared?.state.create ?? 0, operandOf(compare, "createRevision")));
    case Compare_CompareTarget.MOD:
      return matchesResult(compare, compareNumbers(compared?.state.mod ?? 0, operandOf(compare, "modRevision")));
    case Compare_CompareTarget.LEASE:
      return matchesResult(compare, compareNumbers(compared?.state.lease ?? 0, operandOf(compare, "lease")));
    default:
      return matchesResult(compare, 0); // a target of the future: etcd takes both sides for equal
  }
}

/** An operand of another kind than the target counts as 0, or as empty. */
function operandOf(compare: Compare, kind: "version" | "createRevision" | "modRevision" | "lease"): bigint {
  return compare.targetUnion?.$case === kind ? compare.targetUnion.value : 0n;
}

const valueOperandOf = (compare: Compare): Uint8Array =>
  compare.targetUnion?.$case === "value" ? compare.targetUnion.value : noBytes;

const compareNumbers = (held: number | bigint, against: bigint): number =>
  held < against ? -1 : held > against ? 1 : 0;

function matchesResult(compare: Compare, ordered: number): boolean {
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

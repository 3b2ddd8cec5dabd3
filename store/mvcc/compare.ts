import { Compare_CompareResult, Compare_CompareTarget } from "../../proto/index.js";
import type { Compare } from "../../proto/index.js";
import { intervalOf, type Sliced, type ShouldYield } from "../base/index.js";
import type { KeyEntry } from "./key-index.js";
import { decodeKeyValue, noBytes, valueOf, type KeyState } from "./key-value.js";
import type { StoreData } from "./store-data.js";

/** The state and the value of a key at one revision. */
interface KeyAtRevision {
  readonly state: KeyState;
  /** Returns the encoded KeyValue; a function, because most compares do not need the value, which may be on disk. */
  readonly keyValue: () => Uint8Array;
}

/**
 * Tells whether a compare is true at revision `at` for every key of its interval; in slices. If no key exists there, the compare
 * is evaluated for one missing key.
 *
 * @param shouldYield called with the number of keys visited since its last call; true: yield to other work
 * @see etcd v3 API, Compare
 */
export function* evaluateCompare(
  data: StoreData,
  compare: Compare,
  at: number,
  shouldYield: ShouldYield,
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

/** Tells whether a compare of a single key is true at revision `at`. */
export function evaluateCompareOfKey(data: StoreData, compare: Compare, at: number): boolean {
  const entry = data.index.find(compare.key);
  return isSatisfiedBy(compare, entry && findKeyAt(data, entry, at));
}

/** Finds the state of a key at revision `at`; undefined: the key did not exist. */
function findKeyAt({ values }: StoreData, entry: KeyEntry, at: number): KeyAtRevision | undefined {
  const put = entry.putAt(at);
  if (put === undefined) return undefined;
  if (put === entry.newest) return { state: entry.newest, keyValue: () => values.readNewest(entry) };
  const keyValue = values.readAt(put.mod, put.sub);
  return { state: decodeKeyValue(keyValue, put.sub).state, keyValue: () => keyValue };
}

/** Tells whether a compare is true for a key. All fields of a missing key are 0; any compare of its value is false, "not equal" too. */
function isSatisfiedBy(compare: Compare, compared: KeyAtRevision | undefined): boolean {
  switch (compare.target) {
    case Compare_CompareTarget.VALUE:
      return (
        compared !== undefined &&
        isResultMatched(compare, Buffer.compare(valueOf(compared.keyValue()), valueOperandOf(compare)))
      );
    case Compare_CompareTarget.VERSION:
      return isResultMatched(compare, compareNumbers(compared?.state.version ?? 0, operandOf(compare, "version")));
    case Compare_CompareTarget.CREATE:
      return isResultMatched(
        compare,
        compareNumbers(compared?.state.create ?? 0, operandOf(compare, "createRevision")),
      );
    case Compare_CompareTarget.MOD:
      return isResultMatched(compare, compareNumbers(compared?.state.mod ?? 0, operandOf(compare, "modRevision")));
    case Compare_CompareTarget.LEASE:
      return isResultMatched(compare, compareNumbers(compared?.state.lease ?? 0, operandOf(compare, "lease")));
    default:
      return isResultMatched(compare, 0); // a target that this version does not know: etcd, too, treats both sides as equal
  }
}

/** Returns the number to compare with. An operand of another kind than the target counts as 0, in etcd too. */
function operandOf(compare: Compare, kind: "version" | "createRevision" | "modRevision" | "lease"): bigint {
  return compare.targetUnion?.$case === kind ? compare.targetUnion.value : 0n;
}

const valueOperandOf = (compare: Compare): Uint8Array =>
  compare.targetUnion?.$case === "value" ? compare.targetUnion.value : noBytes;

const compareNumbers = (held: number | bigint, against: bigint): number =>
  held < against ? -1 : held > against ? 1 : 0;

function isResultMatched(compare: Compare, ordered: number): boolean {
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
      return true; // a result that this version does not know: true, as in etcd
  }
}

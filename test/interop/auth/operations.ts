// Operations of the matrix, each on a range of keys.
import type { Span } from "./grants.js";

export interface Operation {
  readonly name: string;
  readonly method: string;
  readonly fields: (of: { readonly key: Uint8Array; readonly rangeEnd: Uint8Array }) => object;
}

/** Returns the bytes of a key in which each character is a byte. */
export const bytes = (text: string): Uint8Array => Buffer.from(text, "latin1");

/** The key and end of a request. */
export const interval = ({ key, rangeEnd }: Span) => ({ key: bytes(key), rangeEnd: bytes(rangeEnd) });

type Interval = ReturnType<typeof interval>;

/** A revision that the setup has compacted, and one that is never reached. */
export const compactedRevision = 2n;
const futureRevision = 1_000_000_000n;

const op = {
  range: (value: object) => ({ request: { $case: "requestRange", value } }),
  put: (value: object) => ({ request: { $case: "requestPut", value } }),
  delete: (value: object) => ({ request: { $case: "requestDeleteRange", value } }),
  txn: (value: object) => ({ request: { $case: "requestTxn", value } }),
};

/** Returns a compare that is true for every key. */
const trueCompare = (of: object) => ({ ...of, target: 0, result: 1, targetUnion: { $case: "version", value: -1n } });

const value = bytes("v");
const putOf = ({ key }: Interval, more: object = {}) => ({ key, value, ...more });

const rangeOf = (name: string, more: object): Operation => ({
  name,
  method: "KV/Range",
  fields: (of) => ({ ...of, ...more }),
});

const txnOf = (name: string, fields: Operation["fields"]): Operation => ({ name, method: "KV/Txn", fields });

/** Operations that change nothing, so that the whole answer can be compared. */
export const reads: readonly Operation[] = [
  rangeOf("range", {}),
  rangeOf("range, serializable", { serializable: true }),
  rangeOf("range, count only", { countOnly: true }),
  rangeOf("range, limit and keys only", { limit: 2n, keysOnly: true }),
  rangeOf("range, old revision", { revision: compactedRevision + 1n }),
  rangeOf("range, compacted revision", { revision: compactedRevision - 1n }),
  rangeOf("range, future revision", { revision: futureRevision, serializable: true }),
  rangeOf("range, invalid sort", { sortTarget: 9 }),
  { name: "range stream", method: "KV/RangeStream", fields: (of) => of },
  {
    name: "range stream, future revision",
    method: "KV/RangeStream",
    fields: (of) => ({ ...of, revision: futureRevision }),
  },
  txnOf("txn that compares only", (of) => ({ compare: [trueCompare(of)] })),
  txnOf("txn that reads", (of) => ({ success: [op.range(of)] })),
  txnOf("txn that would read otherwise", (of) => ({ failure: [op.range(of)] })),
  txnOf("txn that reads deep within", (of) => ({
    success: [op.txn({ failure: [op.txn({ success: [op.range(of)] })] })],
  })),
  txnOf("txn that compares within", (of) => ({ success: [op.txn({ compare: [trueCompare(of)] })] })),
  txnOf("txn that reads the present and the future", (of) => ({
    success: [op.range(of), op.range({ ...of, revision: futureRevision, serializable: true })],
  })),
];

/** Puts of existing keys without a change of their values. */
export const carefulPuts: readonly Operation[] = [
  { name: "put, ignore value", method: "KV/Put", fields: ({ key }) => ({ key, ignoreValue: true }) },
  { name: "put, ignore lease", method: "KV/Put", fields: ({ key }) => ({ key, value, ignoreLease: true }) },
  { name: "put, ignore and give", method: "KV/Put", fields: ({ key }) => ({ key, value, ignoreValue: true }) },
  { name: "put, unknown lease", method: "KV/Put", fields: ({ key }) => ({ key, value, lease: 99n }) },
  txnOf("txn that keeps a value", ({ key }) => ({ success: [op.put({ key, ignoreValue: true })] })),
  txnOf("txn that puts under an unknown lease", (of) => ({ success: [op.put(putOf(of, { lease: 99n }))] })),
];

export const puts: readonly Operation[] = [
  { name: "put", method: "KV/Put", fields: (of) => putOf(of) },
  { name: "put, prev_kv", method: "KV/Put", fields: (of) => putOf(of, { prevKv: true }) },
  txnOf("txn that puts", (of) => ({ success: [op.put(putOf(of))] })),
  txnOf("txn that puts, prev_kv", (of) => ({ success: [op.put(putOf(of, { prevKv: true }))] })),
  txnOf("txn that would put otherwise", (of) => ({ failure: [op.put(putOf(of))] })),
  txnOf("txn that puts deep within", (of) => ({
    success: [op.txn({ success: [op.txn({ failure: [op.put(putOf(of))] })] })],
  })),
  txnOf("txn that puts twice", (of) => ({ success: [op.put(putOf(of)), op.put(putOf(of))] })),
  txnOf("txn that compares and puts", (of) => ({ compare: [trueCompare(of)], success: [op.put(putOf(of))] })),
  txnOf("txn that compares another and puts", (of) => ({
    compare: [trueCompare({ key: bytes("h") })],
    success: [op.put(putOf(of))],
  })),
  txnOf("txn that puts and reads", (of) => ({ success: [op.put(putOf(of)), op.range({ key: bytes("h") })] })),
];

export const deletions: readonly Operation[] = [
  { name: "delete", method: "KV/DeleteRange", fields: (of) => of },
  { name: "delete, prev_kv", method: "KV/DeleteRange", fields: (of) => ({ ...of, prevKv: true }) },
  txnOf("txn that deletes", (of) => ({ success: [op.delete(of)] })),
  txnOf("txn that deletes, prev_kv", (of) => ({ success: [op.delete({ ...of, prevKv: true })] })),
  txnOf("txn that would delete otherwise", (of) => ({ failure: [op.delete(of)] })),
  txnOf("txn that deletes deep within", (of) => ({
    failure: [op.txn({ success: [op.delete({ ...of, prevKv: true })] })],
  })),
  txnOf("txn that reads and deletes", (of) => ({ success: [op.range(of), op.delete(of)] })),
];

/** Requests for a watcher. */
export const watches: readonly Operation[] = [
  { name: "watch", method: "Watch/Watch", fields: (of) => of },
  { name: "watch, prev_kv and filter", method: "Watch/Watch", fields: (of) => ({ ...of, prevKv: true, filters: [0] }) },
  { name: "watch, negative revision", method: "Watch/Watch", fields: (of) => ({ ...of, startRevision: -1n }) },
  { name: "watch, future revision", method: "Watch/Watch", fields: (of) => ({ ...of, startRevision: futureRevision }) },
  { name: "watch, number in use", method: "Watch/Watch", fields: (of) => ({ ...of, watchId: 1_000_000n }) },
];

// The contents of a test cluster as plain objects, read and written with the client.

import { type Client, CompactedError, type WatchEvent } from "../../../client/index.js";

/** Keys and values as text. */
export type TextEntries = Readonly<Record<string, string>>;

/** A change of a key, as text. */
export type TextChange =
  | { readonly type: "put"; readonly key: string; readonly value: string; readonly lease?: string }
  | { readonly type: "delete"; readonly key: string };

/** All changes of one revision. */
export interface HistoryEntry {
  /** The revision of the changes. */
  readonly revision: number;
  /** The changes of its keys, in order. */
  readonly changes: readonly TextChange[];
}

/** Maximum number of puts in flight. */
const putsAtOnce = 256;

/** Entries to put: an object, or a map, which keeps the order of all keys. */
export type SeedEntries = TextEntries | ReadonlyMap<string, string>;

/** Puts entries in their order, each at a revision of its own. @throws TypeError if `entries` is neither an object nor a map */
export const seed = async (client: Client, entries: SeedEntries): Promise<void> => {
  if (Object(entries) !== entries) throw new TypeError('Cannot seed: expected { "/key": "value" } or a map');
  const all = isMap(entries) ? [...entries] : Object.entries(entries);
  for (let from = 0; from < all.length; from += putsAtOnce)
    await Promise.all(all.slice(from, from + putsAtOnce).map(([key, value]) => client.kv.put(key, value)));
};

const isMap = (entries: SeedEntries): entries is ReadonlyMap<string, string> => entries instanceof Map;

/** Returns all keys with their values, in key order. */
export const dump = async (client: Client): Promise<Record<string, string>> => {
  const { kvs } = await client.kv.get("", { prefix: true });
  return Object.fromEntries(kvs.map(({ key, value }) => [toReadable(key), toReadable(value)]));
};

/** Returns the changes of all revisions since the last compaction, the oldest first. */
export const history = async (client: Client): Promise<HistoryEntry[]> => {
  const { header } = await client.kv.get("", { prefix: true, limit: 1 });
  try {
    return await historyFrom(client, 1, header.revision);
  } catch (error) {
    if (!(error instanceof CompactedError)) throw error;
    return historyFrom(client, error.compactRevision, header.revision);
  }
};

const historyFrom = async (client: Client, first: number, last: number): Promise<HistoryEntry[]> => {
  const entries: HistoryEntry[] = [];
  if (last <= 1) return entries; // the store has never been written
  await using watch = client.watch("", { prefix: true, startRevision: first });
  for await (const { revision, events } of watch.batches()) {
    if (events.length > 0 && revision <= last) entries.push({ revision, changes: events.map(changeOf) });
    if (revision >= last) break;
  }
  return entries;
};

const changeOf = ({ type, kv }: WatchEvent): TextChange => {
  const key = toReadable(kv.key);
  if (type === "delete") return { type, key };
  const value = toReadable(kv.value);
  return kv.lease === 0n ? { type, key, value } : { type, key, value, lease: kv.lease.toString(16) };
};

const utf8 = new TextDecoder("utf-8", { fatal: true });

/** Decodes bytes as UTF-8; invalid bytes become escapes such as `\xff`. */
const toReadable = (bytes: Uint8Array): string => {
  try {
    return utf8.decode(bytes);
  } catch {
    return Array.from(bytes, (byte) => (byte < 0x80 ? String.fromCharCode(byte) : `\\x${byte.toString(16)}`)).join("");
  }
};

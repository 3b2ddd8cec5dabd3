// The keys whose events a watch has reported, and the differences of a later state from them.
import { EtcdError } from "../transport/index.js";
import type { KeyValue } from "../kv/index.js";
import type { WatchEvent } from "./watch-queue.js";

/** Returns a key as text with one character for each byte, as the key of a Map. */
export const textOf = (key: Uint8Array): string =>
  Buffer.from(key.buffer, key.byteOffset, key.length).toString("latin1");

/**
 * The keys of an interval at one revision, each with the revision of its last change.
 *
 * Example: `a` at 5 and `b` at 7 are known. A listing at revision 20 has `a` at 5 and `c` at 12. The differences are a put of `c`
 * at 12 and a deletion of `b`, whose revision is unknown and is given as 20.
 */
export class KnownKeys {
  private known = new Map<string, number>();

  constructor(private readonly maxKeys: number) {}

  /** @throws EtcdError "resource-exhausted" if there are too many keys */
  apply({ type, kv }: Pick<WatchEvent, "type" | "kv">): void {
    const key = textOf(kv.key);
    if (type === "delete") this.known.delete(key);
    else add(this.known, key, kv.modRevision, this.maxKeys);
  }

  /** Begins a comparison with a later listing. */
  compare(): Comparison {
    return new Comparison(this.known, this.maxKeys, (state) => (this.known = state));
  }
}

/** A comparison of known keys with a listing. `see` is called for each key of the listing. */
export class Comparison {
  private readonly state = new Map<string, number>();
  private readonly puts: WatchEvent[] = [];

  constructor(
    private readonly known: ReadonlyMap<string, number>,
    private readonly maxKeys: number,
    private readonly adopt: (state: Map<string, number>) => void,
  ) {}

  /** @throws EtcdError "resource-exhausted" if there are too many keys */
  see(kv: KeyValue): void {
    const key = textOf(kv.key);
    add(this.state, key, kv.modRevision, this.maxKeys);
    if (this.known.get(key) !== kv.modRevision) this.puts.push({ type: "put", kv, prevKv: undefined, resync: true });
  }

  /** Ends the comparison: from now on, the keys of the listing are the known keys. @returns the differences, ordered by revision */
  finishComparison(revision: number): WatchEvent[] {
    const gone = [...this.known.keys()].filter((key) => !this.state.has(key));
    this.adopt(this.state);
    this.puts.sort((a, b) => a.kv.modRevision - b.kv.modRevision);
    return [...this.puts, ...gone.map((key) => deletionOf(Buffer.from(key, "latin1"), revision))];
  }
}

/** Returns the event of a deletion that a comparison has found, with the listing's revision instead of the deletion's. */
export const deletionOf = (key: Uint8Array, modRevision: number): WatchEvent => ({
  type: "delete",
  kv: {
    key: new Uint8Array(key),
    value: new Uint8Array(0),
    createRevision: 0,
    modRevision,
    version: 0,
    lease: 0n,
  },
  prevKv: undefined,
  resync: true,
});

function add(keys: Map<string, number>, key: string, modRevision: number, maxKeys: number): void {
  keys.set(key, modRevision);
  if (keys.size <= maxKeys) return;
  const reason = `more than resync.maxKeys = ${maxKeys} keys would have to be kept`;
  throw new EtcdError("resource-exhausted", `Cannot watch with resync: ${reason}`, "failed");
}

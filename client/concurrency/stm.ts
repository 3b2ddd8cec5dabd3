// Software transactional memory: a function reads and writes keys; its writes take effect all together, or it runs again.
import { EtcdError, type RequestOptions } from "../transport/index.js";
import {
  type Bytes,
  type Compare,
  type GetResult,
  type KeyValue,
  type Kv,
  toBytes,
  toText,
  type TxnOp,
} from "../kv/index.js";

/** Options of `Client.stm`; the limits of `RequestOptions` apply to each request. */
export interface StmOptions extends RequestOptions {
  /** Maximum number of runs of the function; a conflict of the last run is an EtcdError "aborted". Default: 100. */
  readonly maxAttempts?: number | undefined;
}

const defaultMaxAttempts = 100;

const textOf = (key: Uint8Array): string => Buffer.from(key).toString("latin1");

/** The keys as one run of the function sees them. */
export class StmTransaction {
  /** The revision of the first read, at which all reads are made; 0 before the first read. */
  private revision = 0;
  /** The first read, while it is in flight: reads that begin meanwhile wait for its revision. */
  private firstRead: Promise<GetResult> | undefined;
  private isOver = false;
  private readonly read = new Map<
    string,
    { readonly key: Uint8Array; readonly value: Uint8Array | undefined; readonly modRevision: number }
  >();
  private readonly written = new Map<string, { readonly value: Uint8Array | undefined; readonly op: TxnOp }>();

  constructor(
    private readonly kv: Kv,
    private readonly limits: RequestOptions,
  ) {}

  /** Reads a key: the value that this transaction has written, or the value at the revision of its first read; undefined: no such key. */
  async get(key: Bytes): Promise<Uint8Array | undefined> {
    this.checkOpen();
    const bytes = toBytes(key);
    const name = textOf(bytes);
    const written = this.written.get(name);
    if (written !== undefined) return written.value;
    const known = this.read.get(name);
    if (known !== undefined) return known.value;
    const kv = await this.fetch(bytes);
    this.read.set(name, { key: bytes, value: kv?.value, modRevision: kv?.modRevision ?? 0 });
    return kv?.value;
  }

  /** Reads a key as text. @throws TypeError if it is not UTF-8 */
  async getText(key: Bytes): Promise<string | undefined> {
    const value = await this.get(key);
    return value && toText(value);
  }

  /** Writes a key. The write is sent when the transaction commits. */
  put(key: Bytes, value: Bytes, { lease }: { readonly lease?: bigint | undefined } = {}): void {
    this.checkOpen();
    const bytes = toBytes(key);
    this.written.set(textOf(bytes), { value: toBytes(value), op: { op: "put", key: bytes, value, lease } });
  }

  /** Deletes a key. The deletion is sent when the transaction commits. */
  delete(key: Bytes): void {
    this.checkOpen();
    const bytes = toBytes(key);
    this.written.set(textOf(bytes), { value: undefined, op: { op: "delete", key: bytes } });
  }

  /** Sends the writes. @returns whether they have taken effect; false: a key that was read has changed */
  async commit(): Promise<boolean> {
    this.isOver = true;
    if (this.written.size === 0) return true; // all reads are of one revision
    const compare = [...this.read.values()].map(({ key, modRevision }): Compare => ({
      target: "modRevision",
      key,
      is: "=",
      than: modRevision,
    }));
    const success = [...this.written.values()].map(({ op }) => op);
    return (await this.kv.txn({ compare, success }, this.limits)).succeeded;
  }

  /** Ends the transaction without effect. */
  abandon(): void {
    this.isOver = true;
  }

  private async fetch(key: Uint8Array): Promise<KeyValue | undefined> {
    // If the first read fails, the read that has waited longest becomes the first.
    while (this.firstRead !== undefined) await this.firstRead.catch(() => undefined);
    const reading = this.kv.get(key, { revision: this.revision, ...this.limits });
    if (this.revision === 0) this.firstRead = reading;
    try {
      const { kvs, header } = await reading;
      this.revision ||= header.revision;
      return kvs[0];
    } finally {
      if (this.firstRead === reading) this.firstRead = undefined;
    }
  }

  private checkOpen(): void {
    if (this.isOver) throw new TypeError("Cannot use a transaction after its function has returned");
  }
}

const wasCompacted = (error: unknown): boolean =>
  error instanceof EtcdError && error.code === "out-of-range" && error.message.includes("compacted");

/** Runs a function as a transaction, as documented at `Client.stm`. */
export async function stm<T>(
  kv: Kv,
  work: (tx: StmTransaction) => Promise<T> | T,
  { maxAttempts = defaultMaxAttempts, ...limits }: StmOptions,
): Promise<T> {
  if (!(maxAttempts >= 1))
    throw new RangeError(`Cannot run a transaction: maxAttempts must be above 0, not ${maxAttempts}`);
  for (let attempt = 0; attempt < maxAttempts; attempt++) {
    const tx = new StmTransaction(kv, limits);
    try {
      const result = await work(tx);
      if (await tx.commit()) return result;
    } catch (error) {
      if (!wasCompacted(error)) throw error; // compacted: the revision of the reads cannot be read any more, and the function runs again
    } finally {
      tx.abandon();
    }
  }
  throw new EtcdError("aborted", `Gave up a transaction: its keys changed in each of ${maxAttempts} runs`, "failed");
}

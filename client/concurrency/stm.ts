// Software transactional memory: a function that reads and writes keys, and takes effect as a whole or runs again.
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

/** Options of `Client.stm`; the limits of a request hold for each request. */
export interface StmOptions extends RequestOptions {
  /** Bounds the runs of the function; after the last conflict the error is an EtcdError "aborted". Default: 100. */
  readonly maxAttempts?: number | undefined;
}

const defaultMaxAttempts = 100;

const textOf = (key: Uint8Array): string => Buffer.from(key).toString("latin1");

/** The keys as one run of the function sees them. */
export class StmTransaction {
  /** All reads are of this revision, that of the first one; 0 before. */
  private revision = 0;
  /** The first read, while it is under way: reads that begin meanwhile wait for its revision. */
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

  /** Reads a key: as this transaction has written it, or as of the revision of its first read. @returns undefined: there is none */
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

  /** Writes a key, when the transaction takes effect. */
  put(key: Bytes, value: Bytes, { lease }: { readonly lease?: bigint | undefined } = {}): void {
    this.checkOpen();
    const bytes = toBytes(key);
    this.written.set(textOf(bytes), { value: toBytes(value), op: { op: "put", key: bytes, value, lease } });
  }

  /** Deletes a key, when the transaction takes effect. */
  delete(key: Bytes): void {
    this.checkOpen();
    const bytes = toBytes(key);
    this.written.set(textOf(bytes), { value: undefined, op: { op: "delete", key: bytes } });
  }

  /** @returns whether it has taken effect; otherwise a key that was read has changed */
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

  /** Ends it without effect. */
  abandon(): void {
    this.isOver = true;
  }

  private async fetch(key: Uint8Array): Promise<KeyValue | undefined> {
    // A first read that fails leaves the revision to the read that waited longest.
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

/** Runs a function as a transaction, as `Client.stm` says. */
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
      if (!wasCompacted(error)) throw error; // otherwise the revision of the reads is gone: they begin anew
    } finally {
      tx.abandon();
    }
  }
  throw new EtcdError("aborted", `Gave up a transaction: its keys changed in each of ${maxAttempts} runs`, "failed");
}

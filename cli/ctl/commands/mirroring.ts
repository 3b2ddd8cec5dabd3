// Copies the keys under a prefix to another cluster, and then each of their changes.
import { setTimeout as sleep } from "node:timers/promises";
import {
  type Client,
  ConnectError,
  EtcdError,
  type KeyValue,
  prefixEnd,
  type TxnOp,
  type WatchEvent,
} from "../../../client/index.js";
import { etcdText, type Io } from "../args/index.js";

/** The settings of a mirror. */
export interface MirrorPlan {
  readonly prefix: string;
  /** Replaces the prefix in the keys of the destination. */
  readonly destPrefix: string;
  /** The first revision whose changes are copied; 0: all keys of the newest revision, then the changes after it. */
  readonly revision: number;
  /** Maximum number of operations in a transaction at the destination. */
  readonly maxTxnOps: number;
  /** Timeout of each request. */
  readonly limits: { readonly timeoutMs: number };
}

/** Maximum number of keys in one response of the source. */
const pageKeys = 1_000;
/** Bytes of keys and values after which a transaction is sent: below a server's limit of 1.5 MiB. */
const maxTxnBytes = 1024 * 1024;
/** Attempts for one transaction while the destination cannot be reached. After the last, the mirror ends with the error. */
const maxTries = 60;
const retryPauseMs = 1_000;

/** Copies from one cluster to another. A value may be written to the destination twice, but never an older one after a newer. */
export class Mirroring {
  /** The number of puts and deletes at the destination. */
  copied = 0;
  /** The newest revision of which all changes are at the destination; 0: none. */
  revision = 0;

  constructor(
    private readonly source: Client,
    private readonly destination: Client,
    private readonly plan: MirrorPlan,
    private readonly io: Pick<Io, "note">,
  ) {}

  /**
   * Copies until `stop` is aborted.
   *
   * @throws EtcdError if the source has compacted changes that are not copied yet, or a cluster refuses a request
   */
  async run(stop: AbortSignal): Promise<void> {
    const { prefix, revision } = this.plan;
    if (revision === 0) await this.copyKeys(stop);
    const startRevision = revision === 0 ? this.revision + 1 : revision;
    const watch = this.source.watch(prefix, { prefix: true, startRevision, signal: stop });
    for await (const { revision, events } of watch.batches()) {
      await this.write(
        events.map((event) => this.change(event)),
        stop,
      );
      this.revision = revision;
    }
  }

  /** Copies all keys as they are at one revision, page by page. */
  private async copyKeys(stop: AbortSignal): Promise<void> {
    const key = Buffer.from(this.plan.prefix);
    const interval = { rangeEnd: prefixEnd(key), limit: pageKeys, signal: stop, ...this.plan.limits };
    let [from, revision]: [Uint8Array, number] = [key.length === 0 ? Buffer.from([0]) : key, 0];
    for (;;) {
      const page = await this.source.kv.get(from, { ...interval, revision });
      revision ||= page.header.revision;
      await this.write(
        page.kvs.map((kv) => this.copy(kv)),
        stop,
      );
      const last = page.kvs.at(-1);
      if (!page.more || last === undefined) break;
      from = Buffer.concat([last.key, Buffer.from([0])]);
    }
    this.revision = revision;
  }

  private change({ type, kv }: WatchEvent): TxnOp {
    return type === "put" ? this.copy(kv) : { op: "delete", key: this.destKey(kv.key) };
  }

  private copy({ key, value }: KeyValue): TxnOp {
    return { op: "put", key: this.destKey(key), value };
  }

  private destKey(key: Uint8Array): Uint8Array {
    const { prefix, destPrefix } = this.plan;
    return Buffer.concat([Buffer.from(destPrefix), key.subarray(Buffer.byteLength(prefix))]);
  }

  /** Writes in transactions of bounded size. */
  private async write(ops: readonly TxnOp[], stop: AbortSignal): Promise<void> {
    let [part, bytes]: [TxnOp[], number] = [[], 0];
    for (const op of ops) {
      const size = op.op === "put" ? op.key.length + op.value.length : 0;
      if (part.length === this.plan.maxTxnOps || (part.length > 0 && bytes + size > maxTxnBytes)) {
        await this.commit(part, stop);
        [part, bytes] = [[], 0];
      }
      part.push(op);
      bytes += size;
    }
    if (part.length > 0) await this.commit(part, stop);
  }

  /**
   * Repeats a transaction until it has succeeded: only the mirror writes these keys, so that a repeated transaction has no other
   * effect.
   */
  private async commit(ops: readonly TxnOp[], stop: AbortSignal): Promise<void> {
    for (let tries = 1; ; tries++) {
      try {
        await this.destination.kv.txn({ success: ops }, { signal: stop, ...this.plan.limits });
        this.copied += ops.length;
        return;
      } catch (error) {
        if (!isPassing(error) || stop.aborted || tries === maxTries) throw error;
        this.io.note(`Warning: the destination does not answer (${etcdText(error)}), trying again`);
        await sleep(retryPauseMs, undefined, { signal: stop });
      }
    }
  }
}

const isPassing = (error: unknown): error is EtcdError =>
  error instanceof ConnectError ||
  (error instanceof EtcdError && (error.code === "unavailable" || error.code === "deadline-exceeded"));

// Copies the keys under a prefix to another cluster, and then each change of them.
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

/** A mirror to make. */
export interface MirrorPlan {
  readonly prefix: string;
  /** Takes the place of the prefix at the destination. */
  readonly destPrefix: string;
  /** First revision to copy the changes of; 0: all keys as they are, then what changes. */
  readonly revision: number;
  /** Operations of one transaction at the destination. */
  readonly maxTxnOps: number;
  /** Time for each request. */
  readonly limits: { readonly timeoutMs: number };
}

/** Keys of one request. */
const pageKeys = 1_000;
/** Bytes of keys and values after which a transaction is sent: below the 1.5 MiB that a server takes. */
const maxTxnBytes = 1024 * 1024;
/** Tries of one transaction while the destination cannot be reached. Beyond, the mirror ends with the error. */
const maxTries = 60;
const retryPauseMs = 1_000;

/** A mirror that is being made. The destination may be written a second time with the same values, never with older ones. */
export class Mirroring {
  /** Keys that were put or deleted at the destination. */
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
   * Copies until `stop` is raised.
   *
   * @throws EtcdError if the source has compacted changes that are missing, or a cluster refuses a request
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

  /** Repeats a transaction until its outcome is known: nobody else writes these keys, so a second time does no harm. */
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

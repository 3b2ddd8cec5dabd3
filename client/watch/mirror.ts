// A copy of the keys under a prefix, kept in memory.
import {
  CompactedError,
  type ConnectError,
  EtcdError,
  LeavableIterator,
  type RequestOptions,
  Wakeup,
} from "../transport/index.js";
import { type Bytes, intervalOf, type KeyValue, toBytes, toText } from "../kv/index.js";
import { deletionOf, textOf } from "./known-keys.js";
import { isCompacted, pagesOf } from "./listing.js";
import { Watch, type WatchBatch, type WatchServices } from "./watch.js";
import type { WatchEvent } from "./watch-queue.js";

/** Options of `Client.mirror`; the limits of `RequestOptions` apply to the first listing. */
export interface MirrorOptions extends RequestOptions {
  /** Maximum number of keys; with more, the mirror fails with an EtcdError "resource-exhausted". Default: 1 000 000. */
  readonly maxKeys?: number | undefined;
}

const defaultMaxKeys = 1_000_000;

/**
 * The keys under a prefix, in memory: `await using config = await client.mirror("config/")`. The content is always the content of
 * one `revision`, never a mixture, and the revision only grows. The revision may be older than the cluster's: usually by moments,
 * but without a limit while no server can be reached. The mirror survives lost connections, and compactions, after which it lists
 * the keys again.
 *
 * `for await (const revision of config)` yields new revisions; a slow loop skips to the newest one, so no revisions queue up.
 */
export class Mirror implements AsyncIterable<number>, AsyncDisposable {
  /** Resolves when the mirror has ended: to the error, or to undefined after `close()`. */
  readonly whenEnded: Promise<Error | undefined>;
  private map = new Map<string, KeyValue>();
  /** The keys in byte order; undefined: the list must be built again. */
  private sorted: readonly KeyValue[] | undefined;
  private at = 0;
  private failure: Error | undefined;
  private unreachable: ConnectError | undefined;
  private readonly listeners = new Set<(change: WatchBatch) => void>();
  private readonly changed: Wakeup;
  private readonly ending = new AbortController();
  private readonly interval: { readonly key: Uint8Array; readonly rangeEnd: Uint8Array };

  /** @throws TypeError or RangeError if an option is malformed */
  constructor(
    private readonly services: WatchServices,
    private readonly prefix: Bytes,
    private readonly maxKeys: number = defaultMaxKeys,
  ) {
    if (!(maxKeys > 0)) throw new RangeError(`Cannot mirror: maxKeys must be above 0, not ${maxKeys}`);
    this.changed = new Wakeup(services.stream.clock);
    this.interval = intervalOf(prefix, { prefix: true });
    this.whenEnded = this.follow();
  }

  /** The revision of the content; 0 before the first listing. */
  get revision(): number {
    return this.at;
  }

  /** The number of keys. @throws the error with which the mirror has failed */
  get size(): number {
    return this.content().size;
  }

  /** Returns a key; undefined if there is no such key. @throws the error with which the mirror has failed */
  get(key: Bytes): KeyValue | undefined {
    return this.content().get(textOf(toBytes(key)));
  }

  /** The value of a key as text. @throws TypeError if it is not UTF-8, or the error with which the mirror has failed */
  getText(key: Bytes): string | undefined {
    const value = this.get(key)?.value;
    return value && toText(value);
  }

  /** All keys of this revision, in byte order. @throws the error with which the mirror has failed */
  entries(): readonly KeyValue[] {
    const content = this.content();
    this.sorted ??= [...content.values()].sort((a, b) => Buffer.compare(a.key, b.key));
    return this.sorted;
  }

  /**
   * Calls the listener with each change, when the mirror already contains it: all events of a revision, or the differences after
   * a compaction, marked `resync`. A listener that throws ends the mirror with its error.
   *
   * @returns a function that removes the listener
   */
  onChange(listener: (change: WatchBatch) => void): () => void {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }

  /**
   * Waits until the mirror has reached a revision, such as that of a put under its prefix.
   *
   * @throws EtcdError "deadline-exceeded" or "cancelled", or the error with which the mirror has failed
   */
  async whenReached(
    revision: number,
    { timeoutMs = this.services.requestTimeoutMs, signal }: RequestOptions = {},
  ): Promise<void> {
    const { clock } = this.services.stream;
    const fail = (code: "cancelled" | "deadline-exceeded", reason: string) =>
      new EtcdError(code, `The mirror is not at revision ${revision} yet: ${reason}`, "failed", undefined, {
        cause: signal?.reason,
      });
    const deadline = clock.now() + timeoutMs;
    while (this.at < revision) {
      if (this.failure !== undefined) throw this.failure;
      if (this.ending.signal.aborted) throw fail("cancelled", "it was closed");
      if (signal?.aborted) throw fail("cancelled", "waiting was given up");
      if (clock.now() >= deadline) throw this.unreachable ?? fail("deadline-exceeded", `${timeoutMs} ms are over`);
      await this.changed.wait(deadline - clock.now(), signal);
    }
  }

  /**
   * Yields the newest revision, whenever it is newer than the revision that was yielded last.
   *
   * @throws the error with which the mirror has failed
   */
  [Symbol.asyncIterator](): AsyncGenerator<number, void, void> {
    const leaving = new AbortController();
    let reported = 0;
    const take = async (): Promise<number | undefined> => {
      while (this.at <= reported) {
        if (this.failure !== undefined) throw this.failure;
        if (this.ending.signal.aborted || leaving.signal.aborted) return undefined;
        await this.changed.wait(Infinity, leaving.signal);
      }
      return (reported = this.at);
    };
    return new LeavableIterator(take, () => leaving.abort());
  }

  /** Ends the mirror. Its content can still be read. May be called twice. */
  close(): Promise<void> {
    this.ending.abort();
    this.changed.wake();
    return Promise.resolve();
  }

  /** Ends the mirror, as `close` does. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  private content(): Map<string, KeyValue> {
    if (this.failure !== undefined) throw this.failure;
    return this.map;
  }

  private async follow(): Promise<Error | undefined> {
    try {
      for (;;) {
        await this.list();
        await this.watch(this.at + 1);
      }
    } catch (error) {
      if (!this.ending.signal.aborted) this.failure = error as Error;
      this.ending.abort();
      this.changed.wake();
      return this.failure;
    }
  }

  /** Watches, and applies the changes. Resolves when changes that the mirror lacks have been compacted. */
  private async watch(startRevision: number): Promise<void> {
    const options = {
      prefix: true,
      startRevision,
      delivery: { progressNotify: true },
      signal: this.ending.signal,
    } as const;
    const watch = new Watch(this.services, this.prefix, options);
    try {
      for await (const batch of watch.batches()) this.apply(batch);
    } catch (error) {
      if (!(error instanceof CompactedError)) throw error;
    }
  }

  private apply(batch: WatchBatch): void {
    for (const { type, kv } of batch.events) {
      const key = textOf(kv.key);
      if (type === "delete") this.map.delete(key);
      else this.map.set(key, kv);
    }
    this.checkSize(this.map);
    this.advance(batch);
  }

  private async list(): Promise<void> {
    const { signal } = this.ending;
    const { kv } = this.services;
    const services = { kv, clock: this.services.stream.clock };
    const onUnreachable = (error: ConnectError) => (this.unreachable = error);
    for (;;) {
      const listed = new Map<string, KeyValue>();
      let revision = 0;
      try {
        const listing = { ...this.interval, keysOnly: false, revision: 0, signal };
        for await (const page of pagesOf(services, listing, onUnreachable)) {
          revision ||= page.header.revision;
          for (const each of page.kvs) listed.set(textOf(each.key), each);
          this.checkSize(listed);
        }
        this.replace(listed, revision);
        return;
      } catch (error) {
        if (revision === 0 || !isCompacted(error)) throw error; // the revision of the listing was compacted meanwhile
      }
    }
  }

  private replace(listed: Map<string, KeyValue>, revision: number): void {
    const puts: WatchEvent[] = [];
    for (const [key, kv] of listed)
      if (this.map.get(key)?.modRevision !== kv.modRevision)
        puts.push({ type: "put", kv, prevKv: undefined, resync: true });
    const gone = [...this.map].filter(([key]) => !listed.has(key)).map(([, { key }]) => deletionOf(key, revision));
    puts.sort((a, b) => a.kv.modRevision - b.kv.modRevision);
    this.map = listed;
    this.advance({ revision, events: [...puts, ...gone], resync: true });
  }

  private advance(change: WatchBatch): void {
    this.at = change.revision;
    this.unreachable = undefined;
    if (change.events.length > 0) this.sorted = undefined;
    this.changed.wake();
    for (const listener of this.listeners) listener(change);
  }

  private checkSize({ size }: ReadonlyMap<string, KeyValue>): void {
    if (size <= this.maxKeys) return;
    const reason = `there are more than maxKeys = ${this.maxKeys} keys`;
    throw new EtcdError("resource-exhausted", `Cannot mirror: ${reason}`, "failed");
  }
}

/** Opens a mirror and waits for its first content, as documented at `Client.mirror`. */
export async function openMirror(
  services: WatchServices,
  prefix: Bytes,
  { maxKeys, ...limits }: MirrorOptions,
): Promise<Mirror> {
  const mirror = new Mirror(services, prefix, maxKeys);
  try {
    await mirror.whenReached(1, limits);
    return mirror;
  } catch (error) {
    await mirror.close();
    throw error;
  }
}

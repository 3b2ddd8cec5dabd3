import { counterFromRequest, type RangeRequest } from "../../proto/index.js";
import { intervalOf, type Key, type KvStore, type Revision } from "../../store/index.js";
import type { Reads } from "../replication/index.js";
import type { Access } from "./access.js";
import type { Application } from "./application.js";
import { checkRangeStream } from "./request-checks.js";
import type { ChunkReceiver, ChunkSession, RangeChunk } from "./sessions.js";

/** The components that a RangeStream uses. */
export interface RangeStreamParts {
  readonly store: Pick<KvStore, "range" | "rangePart">;
  readonly reads: Pick<Reads, "startRead">;
}

/** The settings of etcd's RangeStream. */
export interface RangeStreamSettings {
  /** The target size of chunks in bytes: `--max-request-bytes`, as in etcd. */
  readonly chunkBytes: number;
  readonly access: Access;
}

/** etcd's RangeStream: a Range with its answer in chunks, so that neither side holds the whole answer. */
export const rangeStreamOperation =
  ({ store, reads }: RangeStreamParts, { chunkBytes, access }: RangeStreamSettings): Application["rangeStream"] =>
  (caller, request, listener) => {
    checkRangeStream(request);
    const stream = new RangeStream(store, chunkBytes, request, listener);
    const begin = (): void =>
      access.runIfAllowed(
        caller,
        (rights) => rights.checkRead(request),
        () => stream.beginReading(),
        listener,
      );
    if (request.serializable) begin();
    else
      reads.startRead({
        dueSweep: 0,
        onReady: () => {
          try {
            begin();
          } catch (error) {
            listener.onError(error);
          }
        },
        onError: (error) => listener.onError(error),
      });
    return stream;
  };

/** The number of keys of the first chunk, as in etcd. */
const firstChunkKeys = 10;

/**
 * Returns the maximum number of keys of the next chunk, by etcd's rule: twice as many after a chunk of less than half of the
 * target size, half as many after a chunk of more than twice that size.
 */
export const nextChunkKeys = (keys: number, bytes: number, wantedBytes: number): number => {
  if (bytes < wantedBytes / 2) return keys * 2;
  return bytes > wantedBytes * 2 ? Math.max(1, Math.floor(keys / 2)) : keys;
};

/** A RangeStream in progress: the next chunk is read when the listener has room. */
class RangeStream implements ChunkSession {
  private isOver = false;
  private wake: () => void = () => undefined;

  constructor(
    private readonly store: RangeStreamParts["store"],
    private readonly chunkBytes: number,
    private readonly request: RangeRequest,
    private readonly listener: ChunkReceiver,
  ) {}

  beginReading(): void {
    const work = this.request.countOnly ? this.count() : this.read();
    work.catch((error: unknown) => {
      if (!this.isOver) this.listener.onError(error);
    });
  }

  resume(): void {
    this.wake();
  }

  close(): void {
    this.isOver = true;
    this.wake();
  }

  private async count(): Promise<void> {
    const { response, revision } = await this.store.range({ ...this.request, limit: 0n });
    this.send({ kvs: [], end: { more: false, count: response.count, revision } });
  }

  private async read(): Promise<void> {
    const { request, chunkBytes } = this;
    const asked = counterFromRequest(request.limit);
    const bounds = { ...intervalOf(request), maxBytes: 2 * chunkBytes, keysOnly: request.keysOnly };
    let left = asked <= 0 ? Infinity : asked;
    let maxKeys = firstChunkKeys;
    let count = 0n;
    let begun: Revision | undefined;
    while (!this.isOver) {
      const at = request.revision > 0n || begun === undefined ? request.revision : BigInt(begun);
      const answer = await this.store.rangePart({ ...bounds, maxKeys: Math.min(maxKeys, left) }, at);
      const { kvs, next } = answer.response;
      begun ??= answer.revision;
      left -= kvs.length;
      count += BigInt(kvs.length);
      if (next === undefined || left === 0) {
        if (next !== undefined) count += await this.countFrom(next, at > 0n ? at : BigInt(begun));
        this.send({ kvs, end: { more: next !== undefined, count, revision: begun } });
        return;
      }
      bounds.from = next;
      maxKeys = nextChunkKeys(maxKeys, bytesOf(kvs), chunkBytes);
      if (!this.send({ kvs, end: undefined })) await new Promise<void>((resolve) => (this.wake = resolve));
    }
  }

  /** Counts the keys behind the limit. */
  private async countFrom(from: Key, revision: bigint): Promise<bigint> {
    const request = { ...this.request, key: Buffer.from(from, "latin1"), revision, limit: 0n, countOnly: true };
    const { response } = await this.store.range(request);
    return response.count;
  }

  /** @returns whether to go on at once: the listener has room, or is closed */
  private send(chunk: RangeChunk): boolean {
    return this.isOver || this.listener.onChunk(chunk);
  }
}

const bytesOf = (kvs: readonly Uint8Array[]): number => kvs.reduce((sum, { length }) => sum + length, 0);

// Fixtures of the store's tests: a disk that can lose power, a clock that the test advances, and short forms of requests.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  DeleteRangeRequest,
  PutRequest,
  RangeRequest,
  RangeResponse,
  RawRangeResponse,
  type Compare,
  type KeyValue,
  type RequestOp,
  type TxnRequest,
} from "../../proto/index.js";
import {
  buildStore,
  openDiskBackend,
  openMemoryBackend,
  openStore,
  type Answer,
  type Backend,
  type Installed,
  type KvStore,
  type RoundState,
  runAtOnce,
  type StoreClock,
  type StoreLimits,
} from "../../store/index.js";

export const bytes = (text: string): Uint8Array => Buffer.from(text, "latin1");
export const text = (held: Uint8Array): string => Buffer.from(held).toString("latin1");
/** A row of a table: the table's name, the key, the content. */
export type ShortRow = readonly [table: string, key: string, row: string];

/** The applier's state at the end of a round. */
export const roundState = (marker: string, rows: readonly ShortRow[] = []): RoundState => ({
  marker: () => bytes(marker),
  rowLists: () => [rows.map(([table, key, row]) => ({ table, key, row: bytes(row) }))],
});

/** Lets everything run that is ready. */
export const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

/** A clock that the test advances; turns of the event loop are real. */
export class ManualClock implements StoreClock {
  private time = 0;
  private readonly timers = new Map<number, { readonly at: number; readonly callback: () => void }>();
  private last = 0;

  now(): number {
    return this.time;
  }

  setTimeout(callback: () => void, ms: number): unknown {
    this.timers.set(++this.last, { at: this.time + ms, callback });
    return this.last;
  }

  soon(callback: () => void): void {
    setImmediate(callback);
  }

  clearTimeout(timer: unknown): void {
    this.timers.delete(timer as number);
  }

  get pendingTimers(): number {
    return this.timers.size;
  }

  advance(ms: number): void {
    this.time += ms;
    for (const [timer, { at, callback }] of this.timers) {
      if (at > this.time) continue;
      this.timers.delete(timer);
      callback();
    }
  }
}

/** A disk that remains when its store is gone. */
export interface TestDisk {
  open(): Promise<Backend>;
  /** Cuts the power: writes in progress may or may not be on disk, later ones are not. */
  crash(): Promise<void>;
  /** The directory, if it has one. */
  readonly directory: string | undefined;
  dispose(): Promise<void>;
}

/** A backend whose writes can be cut off. */
class CutOff implements Backend {
  readonly name: string;
  private isDead = false;
  private readonly writing = new Set<Promise<void>>();

  constructor(
    private readonly inner: Backend,
    private readonly letGo: () => Promise<void>,
  ) {
    this.name = inner.name;
  }

  get: Backend["get"] = (key) => this.inner.get(key);
  iterate: Backend["iterate"] = (from, to) => this.inner.iterate(from, to);
  view: Backend["view"] = () => this.inner.view();
  size: Backend["size"] = () => this.inner.size();
  compact = async (from: Uint8Array, to: Uint8Array): Promise<void> => this.inner.compact?.(from, to);

  batch: Backend["batch"] = () => {
    if (this.isDead)
      return { put: () => undefined, delete: () => undefined, write: () => new Promise(() => undefined) };
    const batch = this.inner.batch();
    const write = async (): Promise<void> => {
      if (this.isDead) return new Promise(() => undefined);
      const written = batch.write();
      this.writing.add(written);
      await written;
      this.writing.delete(written);
    };
    // A store that was cut off in the middle of a round continues with it; its batch is dropped.
    return {
      put: (key, value) => {
        if (!this.isDead) batch.put(key, value);
      },
      delete: (key) => {
        if (!this.isDead) batch.delete(key);
      },
      write,
    };
  };

  close(): Promise<void> {
    return this.isDead ? Promise.resolve() : this.letGo();
  }

  async cut(): Promise<void> {
    this.isDead = true;
    await Promise.all(this.writing);
    await this.letGo();
  }
}

export async function memoryDisk(): Promise<TestDisk> {
  const inner = await openMemoryBackend();
  let current: CutOff | undefined;
  return {
    directory: undefined,
    open: () => Promise.resolve((current = new CutOff(inner, () => Promise.resolve()))),
    crash: async () => await current?.cut(),
    dispose: () => inner.close(),
  };
}

export async function levelDisk(): Promise<TestDisk> {
  const directory = await mkdtemp(join(tmpdir(), "minietcd-store-"));
  let current: CutOff | undefined;
  return {
    directory,
    open: async () => {
      const inner = await openDiskBackend(directory);
      return (current = new CutOff(inner, () => inner.close()));
    },
    crash: async () => await current?.cut(),
    dispose: () => rm(directory, { recursive: true }),
  };
}

/** The disks on which every test of the store runs. */
export const disks = [
  { name: "memory", create: memoryDisk },
  { name: "disk", create: levelDisk },
] as const;

/** A store, with its disk and clock; `await using` closes it. */
export class TestStore {
  readonly failures: Error[] = [];

  private opened: KvStore | undefined;
  private readonly replaced: TestDisk[] = [];

  private constructor(
    private current: TestDisk,
    readonly clock: ManualClock,
    private readonly limits: Partial<StoreLimits>,
  ) {}

  /** The disk for a restart. */
  get disk(): TestDisk {
    return this.current;
  }

  /** Opens a store. Its compactions do not rest, unless `limits` says so, because the clock does not advance. */
  static async on(disk: TestDisk, limits: Partial<StoreLimits> = {}): Promise<TestStore> {
    const made = new TestStore(disk, new ManualClock(), { compactionRestMs: 0, ...limits });
    await made.open();
    return made;
  }

  get store(): KvStore {
    if (this.opened === undefined) throw new Error("the store is not open");
    return this.opened;
  }

  async open(): Promise<void> {
    const onFailure = (error: Error): void => void this.failures.push(error);
    this.opened = undefined;
    this.opened = await openStore({
      backend: await this.disk.open(),
      clock: this.clock,
      onFailure,
      limits: this.limits,
    });
  }

  /** Closes the store in order, and opens it again. */
  async reopen(): Promise<void> {
    await this.store.close();
    await this.open();
  }

  /** Opens the store again from the data on disk. */
  async crash(): Promise<void> {
    await this.disk.crash();
    await this.open();
  }

  /** Installs a snapshot of `from`'s durable state. From the commit on, a restart opens `disk`. */
  async install(from: KvStore, disk: TestDisk): Promise<Installed> {
    return this.store.install(await copyOf(from, await disk.open()), () => {
      this.switchTo(disk);
      return Promise.resolve();
    });
  }

  switchTo(disk: TestDisk): void {
    this.replaced.push(this.current);
    this.current = disk;
  }

  endRound(marker = "marker", rows: readonly ShortRow[] = []): void {
    this.store.endRound(roundState(marker, rows));
  }

  /** Ends the round with a marker, and waits until it is on disk. */
  async save(marker = "marker", rows: readonly ShortRow[] = []): Promise<void> {
    this.endRound(marker, rows);
    await this.store.flush();
  }

  put(key: string, value: string, options: Partial<PutRequest> = {}): void {
    this.store.put(put(key, value, options));
  }

  delete(key: string, rangeEnd = ""): void {
    runAtOnce(this.store.deleteRange(deleteRange(key, rangeEnd)));
  }

  async range(key: string, options: RangeOptions = {}): Promise<RangeResult> {
    return showRange(await this.store.range(range(key, options)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.opened?.close();
    for (const disk of [this.current, ...this.replaced]) await disk.dispose();
  }
}

/** Builds a store in `backend` from a snapshot's rows, in portions of `maxBytes`. */
export async function copyOf(from: KvStore, backend: Backend, maxBytes = 500): Promise<Backend> {
  const snapshot = from.snapshot();
  const builder = await buildStore({ backend, clock: new ManualClock() });
  for (let rows = await snapshot.next(maxBytes); rows.length > 0; rows = await snapshot.next(maxBytes))
    await builder.add(rows.map(([key, value]) => [key.slice(), value.slice()]));
  await snapshot.close();
  await builder.finishStore();
  return backend;
}

type RangeOptions = Partial<Omit<RangeRequest, "key" | "rangeEnd" | "limit" | "revision">> & {
  readonly rangeEnd?: string;
  readonly limit?: number;
  readonly revision?: number;
};

export const put = (key: string, value: string, options: Partial<PutRequest> = {}): PutRequest =>
  PutRequest.create({ key: bytes(key), value: bytes(value), ...options });

export const deleteRange = (key: string, rangeEnd = "", options: { prevKv?: boolean } = {}): DeleteRangeRequest =>
  DeleteRangeRequest.create({ key: bytes(key), rangeEnd: bytes(rangeEnd), ...options });

export const range = (key: string, options: RangeOptions = {}): RangeRequest =>
  RangeRequest.create({
    ...options,
    key: bytes(key),
    rangeEnd: bytes(options.rangeEnd ?? ""),
    limit: BigInt(options.limit ?? 0),
    revision: BigInt(options.revision ?? 0),
  });

export const op = {
  put: (...of: Parameters<typeof put>): RequestOp => ({ request: { $case: "requestPut", value: put(...of) } }),
  range: (...of: Parameters<typeof range>): RequestOp => ({ request: { $case: "requestRange", value: range(...of) } }),
  delete: (...of: Parameters<typeof deleteRange>): RequestOp => ({
    request: { $case: "requestDeleteRange", value: deleteRange(...of) },
  }),
  txn: (value: TxnRequest): RequestOp => ({ request: { $case: "requestTxn", value } }),
};

export const txn = (
  compare: readonly Compare[],
  success: readonly RequestOp[],
  failure: readonly RequestOp[] = [],
): TxnRequest => ({
  compare,
  success,
  failure,
});

/** Shows a KeyValue as `k=v c2 m3 v1`, and its lease if it has one. */
export function showKv(keyValue: KeyValue): string {
  const { key, value, createRevision, modRevision, version, lease } = keyValue;
  return `${text(key)}=${text(value)} c${createRevision} m${modRevision} v${version}${lease === 0n ? "" : ` l${lease}`}`;
}

export interface RangeResult {
  readonly kvs: readonly string[];
  readonly more: boolean;
  readonly count: number;
  readonly revision: number;
}

export function showRange({ response, revision }: Answer<RawRangeResponse>): RangeResult {
  const { kvs, more, count } = RangeResponse.decode(RawRangeResponse.encode(response).finish());
  return { kvs: kvs.map(showKv), more, count: Number(count), revision };
}

// Runs watchers of one prefix, in a process of their own. Each watcher checks its own events.

import { BinaryReader } from "@bufbuild/protobuf/wire";
import { Client, credentials, type ClientDuplexStream } from "@grpc/grpc-js";
import { WatchRequest } from "../proto/index.js";
import { readPutNumber, readSentAt, readSharedClock } from "./marked-value.js";
import { prefix } from "./put-load.js";

/** The results of all watchers of the process. */
export interface WatchResult {
  readonly kind: "result";
  readonly events: number;
  /** The number of revisions that a watcher did not get before a later one, over all watchers. */
  readonly missed: number;
  /** The number of revisions that a watcher got again, or after a later one. */
  readonly repeated: number;
  /** The number of events in which watchers contradict each other. */
  readonly contradictions: number;
  readonly deletions: number;
  /** The number of streams that ended and were opened again. */
  readonly resumed: number;
  /** The last revision of the slowest watcher. */
  readonly slowest: number;
  /** The number of the put of each revision, by the watchers' events; 0: none. */
  readonly puts: Uint32Array;
}

/** A message to the benchmark. */
export type WatchMessage =
  | { readonly kind: "ready" }
  | {
      readonly kind: "progress";
      readonly slowest: number;
      /** The number of events so far. */
      readonly events: number;
      /** The milliseconds from the sending of a put to the arrival of its event: of some watchers, since the last progress. */
      readonly latencies: Float64Array;
    }
  | WatchResult;

const watchersPerStream = 10;
/** The watchers per watcher whose latencies are measured. */
const sampling = 50;
const progressMs = 25;
/** A revision that no run reaches. */
const maxRevision = 200_000;
const reopenMs = 50;

/** The counts of all watchers of the process. */
class Tally {
  events = 0;
  missed = 0;
  repeated = 0;
  contradictions = 0;
  deletions = 0;
  resumed = 0;
  readonly puts = new Uint32Array(maxRevision);
  latencies: number[] = [];
}

class Watcher {
  constructor(
    private readonly tally: Tally,
    private readonly takesLatencies: boolean,
    /** The last revision that it got. */
    public last: number,
  ) {}

  /** Checks an event. Every revision of a run is one change below the prefix, so the next one must be `last` + 1. */
  onEvent(revision: number, isDeletion: boolean, value: Uint8Array | undefined): void {
    const { tally } = this;
    tally.events++;
    if (revision <= this.last) {
      tally.repeated++;
      return;
    }
    tally.missed += revision - this.last - 1;
    this.last = revision;
    if (isDeletion) tally.deletions++;
    if (value === undefined) return;
    const put = readPutNumber(value);
    tally.puts[revision] ||= put;
    if (tally.puts[revision] !== put) tally.contradictions++;
    if (this.takesLatencies && put !== 0) tally.latencies.push(readSharedClock() - readSentAt(value));
  }
}

/** Some watchers on one stream, which is opened again at the next member when it ends. */
class Stream {
  private created = 0;

  constructor(
    private readonly clients: readonly Client[],
    private preferred: number,
    private readonly watchers: readonly Watcher[],
    private readonly tally: Tally,
    private readonly onReady: () => void,
  ) {
    this.open();
  }

  private open(): void {
    this.created = 0;
    const call: ClientDuplexStream<WatchRequest, Buffer> = this.clients[
      this.preferred % this.clients.length
    ]!.makeBidiStreamRequest(
      "/etcdserverpb.Watch/Watch",
      (request: WatchRequest) => Buffer.from(WatchRequest.encode(request).finish()),
      (bytes: Buffer) => bytes,
    );
    call.on("data", (bytes: Buffer) => this.onResponse(bytes));
    call.on("error", () => undefined); // "status" follows
    call.on("status", () => {
      this.preferred++;
      this.tally.resumed++;
      setTimeout(() => this.open(), reopenMs);
    });
    for (const [position, { last }] of this.watchers.entries())
      call.write(
        WatchRequest.fromPartial({
          requestUnion: {
            $case: "createRequest",
            value: {
              key: Buffer.from(prefix),
              rangeEnd: Buffer.from(endOf(prefix)),
              startRevision: BigInt(last + 1),
              watchId: BigInt(position + 1),
              fragment: true,
            },
          },
        }),
      );
  }

  /** Reads only the checked fields: decoding all would take more CPU time than the servers take. @see etcd v3 API, rpc.proto */
  private onResponse(bytes: Buffer): void {
    const reader = new BinaryReader(bytes);
    let watcher: Watcher | undefined;
    while (reader.pos < reader.len) {
      const [field, wireType] = reader.tag();
      if (field === 2) watcher = this.watchers[reader.uint32() - 1];
      else if (field === 3 && reader.bool()) this.onCreated();
      else if (field === 4 && reader.bool()) throw new Error(`a watch was canceled: ${bytes.toString("latin1")}`);
      else if (field === 11 && watcher !== undefined) readEvent(reader, watcher);
      else if (field !== 3 && field !== 4) reader.skip(wireType);
    }
  }

  private onCreated(): void {
    if (++this.created === this.watchers.length) this.onReady();
  }
}

const readEvent = (reader: BinaryReader, watcher: Watcher): void => {
  const end = reader.uint32() + reader.pos;
  let isDeletion = false;
  let revision = 0;
  let value: Uint8Array | undefined;
  while (reader.pos < end) {
    const [field, wireType] = reader.tag();
    if (field === 1) isDeletion = reader.uint32() === 1;
    else if (field === 2) {
      const endOfKv = reader.uint32() + reader.pos;
      while (reader.pos < endOfKv) {
        const [fieldOfKv, wireTypeOfKv] = reader.tag();
        if (fieldOfKv === 3) revision = reader.uint32();
        else if (fieldOfKv === 5) value = reader.bytes();
        else reader.skip(wireTypeOfKv);
      }
    } else reader.skip(wireType);
  }
  watcher.onEvent(revision, isDeletion, value);
};

const endOf = (text: string): string => text.slice(0, -1) + String.fromCharCode(text.charCodeAt(text.length - 1) + 1);

const tell = (message: WatchMessage): void => void process.send?.(message, undefined, undefined, () => undefined);

const watch = async (count: number, through: number, endpoints: readonly string[]): Promise<void> => {
  const tally = new Tally();
  const clients = endpoints.map((endpoint) => new Client(endpoint, credentials.createInsecure()));
  const watchers = Array.from({ length: count }, (_, n) => new Watcher(tally, n % sampling === 0, through));
  const findSlowest = (): number => watchers.reduce((least, { last }) => Math.min(least, last), Infinity);
  const ready: Promise<void>[] = [];
  for (let first = 0; first < count; first += watchersPerStream)
    ready.push(
      new Promise((resolve) => {
        const some = watchers.slice(first, first + watchersPerStream);
        new Stream(clients, first / watchersPerStream, some, tally, resolve);
      }),
    );
  await Promise.all(ready);
  tell({ kind: "ready" });
  setInterval(() => {
    const { events, latencies } = tally;
    tally.latencies = [];
    tell({ kind: "progress", slowest: findSlowest(), events, latencies: Float64Array.from(latencies) });
  }, progressMs);
  process.on("message", () => {
    const { events, missed, repeated, contradictions, deletions, resumed, puts } = tally;
    tell({
      kind: "result",
      events,
      missed,
      repeated,
      contradictions,
      deletions,
      resumed,
      puts,
      slowest: findSlowest(),
    });
  });
};

/** Runs only in the process that the benchmark forks. */
if (process.send !== undefined && process.argv[1]?.endsWith("watch-load.ts")) {
  const [count, through, ...endpoints] = process.argv.slice(2);
  process.once("disconnect", () => process.exit());
  await watch(Number(count), Number(through), endpoints);
}

// Watch streams on both servers: each request goes to both, and the responses are compared whenever none can be in flight.
import { isDeepStrictEqual } from "node:util";
import {
  DeleteRangeRequest,
  PutRequest,
  type RequestOp,
  type WatchCreateRequest,
  type WatchRequest,
  type WatchResponse,
} from "../../../proto/index.js";
import { zero } from "./keys.js";
import { type Known, watchMasks } from "./masks.js";
import type { Exchange, Pair } from "./pair.js";
import type { Request } from "./requests.js";
import { showAnswer, showFields, showRequest } from "./show.js";
import { fence, isFence } from "./watch-requests.js";
import { outcomes } from "./coverage.js";
import { filtersEverything, type Received, eventsOf, type Watcher, watchOutcomes } from "./watchers.js";
import { WatchLine } from "./watch-line.js";

export interface Finding {
  /** Shows the request or the watcher, and both answers; a function, because it is expensive and rarely called. */
  readonly show: () => string;
  readonly difference: Known | "none" | "unknown";
  readonly outcomes: readonly string[];
}

interface Stream {
  readonly etcd: WatchLine;
  readonly ours: WatchLine;
  readonly watchers: Map<bigint, Watcher>;
}

type Replies = readonly (WatchResponse | string)[];

function describe(about: string, [etcd, ours]: readonly string[], difference: Finding["difference"]): string {
  return difference === "none" ? `${about}\n  both: ${etcd}` : `${about}\n  etcd: ${etcd}\n  ours: ${ours}`;
}

const linesOf = ({ etcd, ours }: Stream) => [etcd, ours];

export class Watching {
  readonly findings: Finding[] = [];
  private readonly streams = new Map<number, Stream>();

  constructor(private readonly pair: Pair) {}

  async ask(request: Request): Promise<void> {
    // A compaction ends a watcher that is behind, or not, depending on timing.
    if (request.method === "compact") await this.settle();
    this.note(await this.pair.ask(request));
  }

  async tell(number: number, request: WatchRequest): Promise<void> {
    const union = request.requestUnion;
    if (union?.$case === "createRequest") return this.create(number, union.value);
    if (union !== undefined) await this.settle();
    const stream = this.stream(number);
    await Promise.all(
      linesOf(stream).map((line) => {
        line.send(request);
        line.send(fence);
        return line.waitForReply(isFence);
      }),
    );
    this.compareReplies(number, request, stream);
    if (union?.$case === "cancelRequest") stream.watchers.delete(union.value.watchId);
  }

  /** Closes a stream, and resumes its watchers on another one. */
  async restart(number: number, meanwhile: readonly (() => Request)[]): Promise<void> {
    await this.settle();
    const watchers = [...this.stream(number).watchers.values()].filter(({ fate }) => fate === "lives");
    this.close(number);
    for (const request of meanwhile) await this.ask(request());
    for (const { create, next } of watchers) await this.create(number, { ...create, startRevision: next });
  }

  /**
   * Makes a write for each watcher, and waits until the watcher has received it. Events are in order, so it then has received all earlier
   * ones.
   */
  async settle(): Promise<void> {
    const all = [...this.streams.values()].flatMap(({ watchers }) => [...watchers.values()]);
    const hearing = all.filter((watcher) => watcher.fate === "lives" && !filtersEverything(watcher.create));
    const { puts, deletes } = hearing.length > 0 ? await this.writeFor(hearing) : { puts: 0n, deletes: 0n };
    for (const [number, stream] of this.streams) {
      for (const watcher of stream.watchers.values())
        for (const line of linesOf(stream)) await line.waitUntil(() => hasReceived(line, watcher, puts, deletes));
      this.compareReceived(number, stream);
    }
  }

  close(number: number): void {
    const stream = this.streams.get(number);
    if (stream === undefined) return;
    for (const line of linesOf(stream)) line.close();
    this.streams.delete(number);
  }

  closeAll(): void {
    for (const number of [...this.streams.keys()]) this.close(number);
  }

  private stream(number: number): Stream {
    const known = this.streams.get(number);
    if (known !== undefined) return known;
    const [etcd, ours] = this.pair.channels;
    const stream = { etcd: new WatchLine(etcd), ours: new WatchLine(ours), watchers: new Map<bigint, Watcher>() };
    this.streams.set(number, stream);
    return stream;
  }

  private async create(number: number, create: WatchCreateRequest): Promise<void> {
    const { now, compacted } = this.pair.at;
    // The test cannot see when this watcher has caught up, and so not whether a compaction ends it before.
    if (filtersEverything(create) && create.startRevision >= compacted && isPast(create, now)) return;
    const stream = this.stream(number);
    const request: WatchRequest = { requestUnion: { $case: "createRequest", value: create } };
    await Promise.all(
      linesOf(stream).map((line) => {
        line.send(request);
        return line.waitForReply(({ created }) => created);
      }),
    );
    const { etcd, difference } = this.compareReplies(number, request, stream);
    const [reply] = etcd;
    if (reply === undefined || typeof reply === "string" || reply.canceled) return;
    if (difference !== "none") return forget(stream.etcd, reply.watchId);
    const { startRevision } = create;
    stream.watchers.set(reply.watchId, {
      create,
      id: reply.watchId,
      isLive: !isPast(create, now),
      fate: startRevision !== 0n && startRevision < compacted ? "is cut off" : "lives",
      next: startRevision === 0n ? now + 1n : startRevision,
    });
  }

  /**
   * Puts a key of each watcher, and deletes these keys if a watcher receives no puts.
   * @returns the revisions of both; 0: nothing was deleted
   */
  private async writeFor(watchers: readonly Watcher[]): Promise<{ puts: bigint; deletes: bigint }> {
    const firsts = watchers.map(({ create: { key } }) => (key.length === 0 ? zero : key));
    const keys = new Map(firsts.map((key) => [Buffer.from(key).toString("hex"), key]));
    const operations = (of: (key: Uint8Array) => RequestOp): Request => ({
      method: "txn",
      message: { compare: [], success: [...keys.values()].map(of), failure: [] },
    });
    await this.ask(operations(putOf));
    const puts = this.pair.at.now;
    if (watchers.every(({ create }) => !create.filters.includes(0))) return { puts, deletes: 0n };
    await this.ask(operations(deleteOf));
    return { puts, deletes: this.pair.at.now };
  }

  private compareReplies(
    number: number,
    request: WatchRequest,
    stream: Stream,
  ): { etcd: Replies; difference: unknown } {
    const [etcd, ours] = [stream.etcd.takeReplies(), stream.ours.takeReplies()] as const;
    const watchers = [...stream.watchers.values()];
    const known = watchMasks.replies.find(({ hides }) =>
      hides({ request, watchers, now: this.pair.at.now }, etcd, ours),
    );
    const difference = isDeepStrictEqual(etcd, ours) ? "none" : (known ?? "unknown");
    this.findings.push({
      show: () =>
        describe(
          `stream ${number}: ${showFields(request.requestUnion ?? {})}`,
          [etcd, ours].map(showFields),
          difference,
        ),
      difference,
      outcomes: watchOutcomes.ofReplies(request, etcd),
    });
    return { etcd, difference };
  }

  private compareReceived(number: number, stream: Stream): void {
    const [etcd, ours] = [stream.etcd.takeReceived(), stream.ours.takeReceived()] as const;
    for (const id of new Set([...etcd.keys(), ...ours.keys(), ...stream.watchers.keys()])) {
      const watcher = stream.watchers.get(id);
      const [theirs, own] = [eventsOf(watcher, etcd.get(id)), eventsOf(watcher, ours.get(id))] as const;
      this.compareWatcher(`stream ${number}: received by watcher ${id}`, watcher, theirs, own);
      if (watcher === undefined) continue;
      if (theirs.cutOff.length > 0) watcher.fate = "was cut off";
      const last = theirs.events.at(-1)?.kv?.modRevision;
      if (last !== undefined) watcher.next = last + 1n;
    }
  }

  private compareWatcher(about: string, watcher: Watcher | undefined, etcd: Received, ours: Received): void {
    if (etcd.events.length === 0 && isDeepStrictEqual(etcd, ours) && etcd.cutOff.length === 0) return;
    const { compacted } = this.pair.at;
    const known = watchMasks.received.find(({ hides }) => hides({ watcher, compacted }, etcd, ours));
    const difference = isDeepStrictEqual(etcd, ours) ? "none" : (known ?? "unknown");
    const show = () => describe(about, [etcd, ours].map(showFields), difference);
    this.findings.push({ show, difference, outcomes: watchOutcomes.ofReceived(watcher, etcd) });
  }

  private note({ request, etcd, ours, difference }: Exchange): void {
    this.findings.push({
      show: () => describe(showRequest(request), [etcd, ours].map(showAnswer), difference),
      difference,
      outcomes: outcomes(request, etcd),
    });
  }
}

const isPast = ({ startRevision }: WatchCreateRequest, now: bigint): boolean =>
  startRevision !== 0n && startRevision <= now;

const putOf = (key: Uint8Array): RequestOp => ({
  request: { $case: "requestPut", value: PutRequest.create({ key, value: Buffer.from("!") }) },
});
const deleteOf = (key: Uint8Array): RequestOp => ({
  request: { $case: "requestDeleteRange", value: DeleteRangeRequest.create({ key }) },
});

function hasReceived(line: WatchLine, { id, create, fate }: Watcher, puts: bigint, deletes: bigint): boolean {
  const received = line.responsesOf(id);
  if (fate === "was cut off") return true;
  if (fate === "is cut off") return received.some(({ canceled }) => canceled);
  if (filtersEverything(create)) return true;
  const last = create.filters.includes(1) || deletes === 0n ? puts : deletes;
  if (last < create.startRevision) return true;
  return received.some(({ events, fragment }) => !fragment && events.some(({ kv }) => (kv?.modRevision ?? 0n) >= last));
}

/** Cancels a watcher that only etcd has created. */
async function forget(line: WatchLine, watchId: bigint): Promise<void> {
  line.send({ requestUnion: { $case: "cancelRequest", value: { watchId } } });
  await line.waitForReply(({ canceled }) => canceled);
  line.takeReplies();
  line.drop(watchId);
}

// A client that watches, reconnects to other members, and checks each promise of a watch by its name.

import assert from "node:assert/strict";
import {
  Event_EventType as EventType,
  WatchCreateRequest,
  WatchCreateRequest_FilterType as Filter,
  WatchRequest,
  WatchResponse,
  type Event,
} from "../../../proto/index.js";
import type { NaiveChange } from "../../../testing/index.js";
import type { ClientStream, SeededRandom } from "../../../testing/index.js";
import { statusCode, type GrpcStatus } from "../../../server/rpc/status.js";
import { assertSame } from "./same.js";
import { bytes, Home, noteRevision, text, thinkingTime, type World } from "./world.js";

const path = "/etcdserverpb.Watch/Watch";

/** The watched keys, and the options of the watch. */
interface Interest {
  readonly key: string;
  readonly rangeEnd: string;
  readonly prevKv: boolean;
  readonly filters: readonly Filter[];
  readonly progressNotify: boolean;
  readonly fragment: boolean;
}

export interface WatchClientOptions {
  readonly keys: number;
  /** Mean time between two interruptions: reconnecting to another member, or reading nothing for a while. */
  readonly meanInterruptionMs: number;
  /** Whether the watch may end when authentication is enabled: it was created without a user. */
  readonly mayLackUser: boolean;
}

export class WatchClient {
  private readonly interest: Interest;
  private readonly home: Home;
  /** The next revision whose events the watch must receive; undefined: it starts at an unknown present revision. */
  private next: number | undefined;
  private stream: ClientStream | undefined;
  private isCreated = false;
  /** Events of a response of which further fragments are missing. */
  private fragments: Event[] = [];

  constructor(
    readonly name: string,
    private readonly world: World,
    private readonly random: SeededRandom,
    private readonly options: WatchClientOptions,
  ) {
    this.home = new Home(world, random);
    const isOne = random.chance(0.4);
    const key = isOne ? `k${random.between(0, options.keys - 1)}` : random.pick(["k", "k1", ""]);
    this.interest = {
      key,
      rangeEnd: isOne ? "" : key === "" ? "\0" : "l",
      prevKv: random.chance(0.4),
      filters: random.pick([[], [], [], [Filter.NOPUT], [Filter.NODELETE]]),
      progressNotify: random.chance(0.5),
      fragment: random.chance(0.2),
    };
    this.next = random.pick([undefined, 1, 2]);
  }

  /** Watches until the simulation is over, and is connected at its end. */
  async run(): Promise<void> {
    const { scheduler } = this.world;
    this.connect();
    while (!this.world.isOver) {
      await scheduler.sleep(thinkingTime(this.random, this.options.meanInterruptionMs));
      await this.interrupt();
    }
  }

  /** Checks that the watch has received everything up to this revision, across reconnections. */
  checkAtTheEnd(revision: number): void {
    if (this.next === undefined) return; // the watch was never created
    const missing = this.expectedBetween(this.next, revision);
    const [first] = missing;
    if (first === undefined) return;
    assert.fail(`watch not reliable: ${this.name} never received ${show(first.event)}`);
  }

  private async interrupt(): Promise<void> {
    const { random, world } = this;
    const kind = random.pick(["move", "move", "takeNothing", "progress", "stay"]);
    if (kind === "move") {
      this.stream?.cancel();
      this.stream = undefined;
      this.home.move();
      this.connect();
    } else if (kind === "takeNothing") {
      const { stream } = this;
      stream?.pause();
      await world.scheduler.sleep(random.next() * 2_000);
      stream?.resume();
    } else if (kind === "progress" && this.isCreated)
      this.stream?.send(WatchRequest.encode({ requestUnion: { $case: "progressRequest", value: {} } }).finish());
  }

  private connect(): void {
    const { world } = this;
    const host = this.home.current;
    this.isCreated = false;
    this.fragments = [];
    const stream = world.rpc.open(host, path, {
      onResponse: (response) => {
        if (this.stream === stream) this.onResponse(WatchResponse.decode(response));
      },
      onEnd: (status) => {
        if (this.stream === stream) this.onEnd(status);
      },
    });
    this.stream = stream;
    if (stream === undefined) {
      this.reconnectAfter(50);
      return;
    }
    world.counts.watchResumes++;
    world.eventLog.addLine(
      `${this.name} at ${host.name}: watches ${this.interest.key || "all"} from ${this.next ?? "now"}`,
    );
    const { key, rangeEnd, ...rest } = this.interest;
    const request = WatchCreateRequest.create({
      ...rest,
      filters: [...rest.filters],
      key: bytes(key),
      rangeEnd: bytes(rangeEnd),
      startRevision: BigInt(this.next ?? 0),
    });
    stream.send(WatchRequest.encode({ requestUnion: { $case: "createRequest", value: request } }).finish());
  }

  /** Connects to another member after `ms`. */
  private reconnectAfter(ms: number): void {
    this.stream = undefined;
    this.home.move();
    this.world.scheduler.after(ms, () => {
      if (this.stream === undefined) this.connect();
    });
  }

  private onEnd(status: GrpcStatus | undefined): void {
    if (status !== undefined)
      assert.equal(status.code, statusCode.unavailable, `the stream of ${this.name} ended: ${status.details}`);
    this.world.eventLog.addLine(`${this.name}: its stream ended: ${status?.details ?? "the connection broke"}`);
    this.reconnectAfter(10);
  }

  private onResponse(response: WatchResponse): void {
    const { world } = this;
    const revision = Number(response.header?.revision);
    if (response.created) {
      assert.ok(!response.canceled, `${this.name} was refused a watch: ${response.cancelReason}`);
      this.isCreated = true;
      this.next ??= revision + 1;
      return;
    }
    if (response.canceled && this.options.mayLackUser && response.cancelReason.endsWith("user name is empty")) {
      world.eventLog.addLine(`${this.name}: users are checked from now on`);
      this.stream?.cancel();
      this.reconnectAfter(1);
      return;
    }
    if (response.canceled) {
      this.onCompacted(Number(response.compactRevision));
      return;
    }
    assert.ok(
      revision <= world.history.revision,
      `${this.name} received revision ${revision}, which nobody has come to`,
    );
    if (response.events.length === 0 && this.fragments.length === 0) this.onProgress(revision);
    else {
      this.fragments.push(...response.events);
      if (!response.fragment) this.onEvents(revision, this.fragments.splice(0));
    }
    noteRevision(world, revision);
  }

  /** Checks that the next revision is compacted, and resumes at the oldest available one. */
  private onCompacted(compactRevision: number): void {
    const { world } = this;
    const { next } = this;
    assert.ok(compactRevision > 0 && next !== undefined, `${this.name} was canceled without a reason`);
    assert.ok(
      next < compactRevision,
      `watch not resumable: ${this.name} wants ${next}, compacted is ${compactRevision}`,
    );
    assert.ok(compactRevision <= world.history.compactRevision, `nobody has compacted ${compactRevision}`);
    world.counts.compactedWatches++;
    world.eventLog.addLine(`${this.name}: ${next} is compacted, goes on from ${compactRevision}`);
    this.next = compactRevision;
    this.stream?.cancel();
    this.reconnectAfter(1);
  }

  /** Checks the promise bookmarkable: everything up to this revision has been received. */
  private onProgress(revision: number): void {
    const next = this.requireBegun();
    const [missing] = this.expectedBetween(next, revision);
    if (missing !== undefined)
      assert.fail(
        `watch not bookmarkable: progress of ${revision} before ${this.name} received ${show(missing.event)}`,
      );
    this.world.counts.progressNotices++;
    this.next = Math.max(next, revision + 1);
  }

  private onEvents(headerRevision: number, events: readonly Event[]): void {
    const next = this.requireBegun();
    const last = revisionOf(events.at(-1));
    let before = 0;
    for (const event of events) {
      const revision = revisionOf(event);
      assert.ok(revision >= before, `watch not ordered: ${this.name} received ${show(event)} after ${before}`);
      assert.ok(
        revision >= next,
        `watch not unique: ${this.name} received ${show(event)} though up to ${next - 1} it had all`,
      );
      before = revision;
    }
    assert.ok(headerRevision >= last, `${this.name}: the header says ${headerRevision}, an event ${last}`);
    this.compare(this.expectedBetween(next, last), events);
    this.world.counts.watchEvents += events.length;
    this.next = last + 1;
  }

  private requireBegun(): number {
    assert.ok(
      this.isCreated && this.next !== undefined,
      `${this.name} got that errormething before its watch was created`,
    );
    return this.next;
  }

  /** Compares the events with the expected ones; a failure has the name of the broken promise. */
  private compare(expected: readonly Expected[], events: readonly Event[]): void {
    for (let at = 0; at < Math.max(expected.length, events.length); at++) {
      const [wanted, event] = [expected[at], events[at]];
      if (wanted === undefined) assert.fail(`${this.name} received ${show(event)}, which never happened, or twice`);
      const isMissing = event === undefined || revisionOf(event) !== revisionOf(wanted.event);
      if (isMissing && revisionOf(wanted.event) === revisionOf(events.at(at - 1)) && at > 0)
        assert.fail(
          `watch not atomic: ${this.name} received a part of ${revisionOf(wanted.event)}, without ${show(wanted.event)}`,
        );
      if (isMissing) assert.fail(`watch not reliable: ${this.name} did not receive ${show(wanted.event)}`);
      const isPrevCompacted = event.prevKv === undefined && wanted.mayLackPrevious;
      const wantedEvent = isPrevCompacted ? { ...wanted.event, prevKv: undefined } : wanted.event;
      assertSame(event, wantedEvent, `the events of revision ${revisionOf(event)} at ${this.name}`);
    }
  }

  /** Returns the events of the revisions in [from, to] that the watch must receive. */
  private expectedBetween(from: number, to: number): readonly Expected[] {
    const expected: Expected[] = [];
    for (let revision = Math.max(from, 1); revision <= to; revision++)
      for (const change of this.world.history.changesOf(revision)) {
        if (!this.covers(change.key) || this.isFiltered(change)) continue;
        const mayLackPrevious = this.world.history.compactRevision >= revision;
        expected.push({ event: this.eventOf(change, revision), mayLackPrevious });
      }
    return expected;
  }

  private covers(key: string): boolean {
    const { key: from, rangeEnd } = this.interest;
    if (rangeEnd === "") return key === from;
    return key >= from && (rangeEnd === "\0" || key < rangeEnd);
  }

  private isFiltered({ after }: NaiveChange): boolean {
    return this.interest.filters.includes(after === undefined ? Filter.NODELETE : Filter.NOPUT);
  }

  private eventOf({ key, after, before }: NaiveChange, revision: number): Event {
    const nothing = { value: new Uint8Array(), createRevision: 0n, version: 0n, lease: 0n };
    return {
      type: after === undefined ? EventType.DELETE : EventType.PUT,
      kv: after ?? { ...nothing, key: bytes(key), modRevision: BigInt(revision) },
      prevKv: this.interest.prevKv ? before : undefined,
    };
  }
}

interface Expected {
  readonly event: Event;
  /** Whether a compaction may have removed the previous value of the key. */
  readonly mayLackPrevious: boolean;
}

const revisionOf = (event: Event | undefined): number => Number(event?.kv?.modRevision ?? 0n);

const show = (event: Event | undefined): string =>
  `${event?.type === EventType.DELETE ? "the delete" : "the put"} of ${text(event?.kv?.key ?? new Uint8Array())} at ${revisionOf(event)}`;

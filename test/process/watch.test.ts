// Promises of etcd's watches, on three real members that are killed under writers and watchers: ordered, unique,
// reliable, atomic, resumable, bookmarkable (etcd v3 API, guarantees of watches).

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { status } from "@grpc/grpc-js";
import { EtcdError } from "../../client/index.js";
import { eventually, within } from "../support/deadline.js";
import { fastElections, startCluster, type ClusterMember, type TestCluster } from "../support/minietcd-cluster.js";
import { showEvent, WatchStream } from "../support/watch-stream.js";
import { scaleMs } from "../support/machine-speed.js";

const longEnoughMs = 20_000;
const everything = { key: "k/", rangeEnd: "k0", prevKv: true } as const;

interface Received {
  readonly revision: number;
  readonly event: string;
  /** The stream and the number of the response in which the event came. */
  readonly response: string;
}

/** A client that watches, and when its member stops continues at another one, after the last event received. */
class Watcher {
  readonly received: Received[] = [];
  readonly bookmarks: { readonly through: number; readonly count: number }[] = [];
  /** Number of streams so far. */
  streams = 0;
  private stream: WatchStream | undefined = undefined;
  private responses = 0;
  private isClosed = false;
  private wake: () => void = () => undefined;
  readonly whenEnded: Promise<void>;

  /** @param members in the order in which the client tries them */
  constructor(private readonly members: readonly ClusterMember[]) {
    this.whenEnded = this.run();
    this.whenEnded.catch(() => undefined); // `close` reports the failure
  }

  get nextRevision(): number {
    return (this.received.at(-1)?.revision ?? 1) + 1;
  }

  requestProgress(): void {
    this.stream?.requestProgress();
  }

  async waitUntil(what: string, isDone: () => boolean): Promise<void> {
    const wait = async (): Promise<void> => {
      while (!isDone()) await new Promise<void>((resolve) => (this.wake = resolve));
    };
    await within(longEnoughMs, what, Promise.race([wait(), this.whenEnded]));
  }

  async close(): Promise<void> {
    this.isClosed = true;
    this.stream?.[Symbol.dispose]();
    await this.whenEnded;
  }

  private async run(): Promise<void> {
    while (!this.isClosed) {
      const member = this.members[this.streams++ % this.members.length]!;
      if (!member.isRunning) continue;
      using stream = new WatchStream(member.endpoint);
      this.stream = stream;
      await this.follow(stream).catch((error: unknown) => {
        if (!String(error).includes("the stream ended")) throw error;
      });
    }
  }

  private async follow(stream: WatchStream): Promise<void> {
    await stream.create({ ...everything, startRevision: this.nextRevision });
    for (;;) {
      const { events, header, canceled } = await stream.next();
      assert.ok(!canceled);
      this.responses += 1;
      for (const event of events)
        this.received.push({
          revision: Number(event.kv?.modRevision),
          event: showEvent(event),
          response: `${this.streams}/${this.responses}`,
        });
      if (events.length === 0) this.bookmarks.push({ through: Number(header?.revision), count: this.received.length });
      this.wake();
    }
  }
}

/** Writes keys one after the other, and records the acknowledged writes by revision. */
class Writer {
  readonly acknowledged = new Map<number, string>();
  private isStopped = false;
  private readonly whenDone: Promise<void>;

  constructor(
    private readonly cluster: TestCluster,
    private readonly name: string,
  ) {
    this.whenDone = this.run();
  }

  async stop(): Promise<void> {
    this.isStopped = true;
    await this.whenDone;
  }

  private async run(): Promise<void> {
    for (let n = 0; !this.isStopped; n++)
      await this.write(n).catch((error: unknown) => {
        if (!(error instanceof EtcdError)) throw error; // the outcome of the write is unknown
      });
  }

  private async write(n: number): Promise<void> {
    const { kv } = this.cluster.client;
    const key = `k/${this.name}/${n % 5}`;
    if (n % 7 === 6) {
      const { header } = await kv.delete(`k/${this.name}/`, { prefix: true });
      this.acknowledged.set(header.revision, "DELETE");
    } else {
      const { header } = await kv.put(key, `${n}`);
      this.acknowledged.set(header.revision, `PUT ${key}=${n} ${header.revision}`);
    }
  }
}

/** Returns the whole history, as a watch of one member from the first revision returns it. */
const truthAt = async (member: ClusterMember): Promise<Received[]> => {
  using stream = new WatchStream(member.endpoint);
  await stream.create({ ...everything, startRevision: 1 });
  const received: Received[] = [];
  while (!received.at(-1)?.event.includes("k/end")) {
    const { events } = await stream.next();
    for (const event of events)
      received.push({ revision: Number(event.kv?.modRevision), event: showEvent(event), response: "" });
  }
  return received;
};

const eventsOf = (received: readonly Received[]): string[] => received.map(({ event }) => event);

describe("with members killed under writers, watches are", () => {
  let cluster: TestCluster;
  let watchers: Watcher[] = [];
  let writers: Writer[] = [];
  let truth: Received[] = [];

  /** Waits until every watcher has received many changes made since the call, and a progress notice after them. */
  const goesOn = async (): Promise<void> => {
    const { header } = await eventually(longEnoughMs, "a write", () => cluster.client.kv.put("k/now", ""));
    for (const watcher of watchers) {
      await watcher.waitUntil("news", () => watcher.nextRevision > header.revision + 20);
      const { length } = watcher.bookmarks;
      await eventually(longEnoughMs, "a bookmark", () => {
        watcher.requestProgress(); // a watch that is behind does not answer it, and the request is lost with the member
        return watcher.bookmarks.length > length ? true : undefined;
      });
    }
  };

  before(async () => {
    cluster = await startCluster({ flags: fastElections });
    const [a, b, c] = cluster.members as [ClusterMember, ClusterMember, ClusterMember];
    watchers = [new Watcher([a, b, c]), new Watcher([b, c, a]), new Watcher([c, a, b])];
    writers = ["x", "y"].map((name) => new Writer(cluster, name));
    await goesOn();
    for (const pick of [() => cluster.leader(), async () => (await cluster.followers())[0]!]) {
      const member = await pick();
      await member.kill("SIGKILL");
      await goesOn();
      await member.restart();
      await goesOn();
    }
    for (const writer of writers) await writer.stop();
    await eventually(longEnoughMs, "the last write", () => cluster.client.kv.put("k/end", ""));
    for (const watcher of watchers)
      await watcher.waitUntil("the end", () => watcher.received.at(-1)?.event.includes("k/end") === true);
    const truths = await Promise.all(cluster.members.map(truthAt));
    truth = truths[0]!;
    for (const other of truths) assert.deepEqual(eventsOf(other), eventsOf(truth), "all members tell the same");
    for (const watcher of watchers) await watcher.close();
  });
  after(() => cluster[Symbol.asyncDispose]());

  test("ordered: by revision, and within a revision in the order of the request", () => {
    const places = new Map(eventsOf(truth).map((event, place) => [event, place]));
    for (const { received } of watchers) {
      const order = eventsOf(received).map((event) => places.get(event) ?? -1);
      assert.deepEqual(
        order,
        [...order].sort((a, b) => a - b),
      );
    }
  });

  test("unique: no event comes twice", () => {
    for (const { received } of watchers) assert.equal(new Set(eventsOf(received)).size, received.length);
  });

  test("reliable: every event comes, and every acknowledged write is one", (t) => {
    t.diagnostic(`${truth.length} events, ${watchers.map(({ streams }) => streams).join(" + ")} streams`);
    for (const { received } of watchers) assert.deepEqual(eventsOf(received), eventsOf(truth));
    const happened = new Map<number, string>();
    for (const { revision, event } of truth) happened.set(revision, event);
    for (const { acknowledged } of writers) {
      assert.ok(acknowledged.size > 0);
      for (const [revision, event] of acknowledged) assert.ok(happened.get(revision)?.startsWith(event), event);
    }
  });

  test("atomic: all events of a revision come in one response", () => {
    for (const { received } of watchers) {
      const responseOf = new Map<number, string>();
      for (const { revision, response } of received) {
        assert.equal(response, responseOf.get(revision) ?? response);
        responseOf.set(revision, response);
      }
    }
    assert.ok(
      truth.some(({ revision }, n) => truth[n + 1]?.revision === revision),
      "there were some of many events",
    );
  });

  test("resumable: a watch on another member after the last event misses nothing", () => {
    assert.ok(watchers.some(({ streams }) => streams > 1));
    for (const { received } of watchers) {
      const resumed = received.filter(
        ({ response }, n) => n > 0 && response.split("/")[0] !== received[n - 1]!.response.split("/")[0],
      );
      for (const { event } of resumed) {
        const place = truth.findIndex((other) => other.event === event);
        assert.equal(eventsOf(received)[eventsOf(received).indexOf(event) - 1], truth[place - 1]?.event);
      }
    }
  });

  test("bookmarkable: after a progress notice of a revision no event up to it arrives", () => {
    for (const { received, bookmarks } of watchers) {
      assert.ok(bookmarks.length > 0);
      for (const { through, count } of bookmarks)
        for (const { revision } of received.slice(count)) assert.ok(revision > through);
    }
  });
});

test("a watch that resumes at a compacted revision is canceled with the compact revision, and can start again", async () => {
  await using cluster = await startCluster();
  const [member, other] = await cluster.followers();
  await using elsewhere = other!.client(); // a watch whose member stays up
  const { kv } = elsewhere;
  await kv.put("k", "1");
  const stream = new WatchStream(member!.endpoint);
  await stream.create({ key: "k", startRevision: 2 });
  assert.deepEqual(await stream.nextEvents(1), ["PUT k=1 2"]);
  await member!.kill("SIGKILL");
  await within(longEnoughMs, "the end of the stream", stream.whenEnded);
  stream[Symbol.dispose]();
  for (const value of ["2", "3", "4"]) await kv.put("k", value);
  const last = await kv.put("k", "5");
  await kv.compact(5, { physical: true });
  await member!.restart();
  for (const at of [member!, other!]) {
    await using client = at.client();
    await client.kv.get("k"); // linearizable: the member has applied the compaction
    using again = new WatchStream(at.endpoint);
    await again.create({ key: "k", startRevision: 3 });
    const { canceled, compactRevision, header } = await again.next();
    assert.deepEqual(
      { canceled, compactRevision, revision: header?.revision },
      {
        canceled: true,
        compactRevision: 5n,
        revision: 0n,
      },
    );
    await again.create({ key: "k", startRevision: compactRevision });
    assert.deepEqual(await again.nextEvents(2), ["PUT k=4 5", `PUT k=5 ${last.header.revision}`]);
  }
});

test("without a leader, streams that require one end and new ones are refused; others stay and get events later", async () => {
  await using cluster = await startCluster({ flags: fastElections });
  const [last, other] = await cluster.followers();
  const leader = await cluster.leader();
  using requiring = new WatchStream(last!.endpoint, { hasleader: "true" });
  using patient = new WatchStream(last!.endpoint);
  await requiring.create({ key: "k" });
  await patient.create({ key: "k" });
  await Promise.all([leader.kill(), other!.kill()]);
  const noLeader = { code: status.UNAVAILABLE, details: "etcdserver: no leader" };
  const ended = await within(longEnoughMs, "the end of the stream", requiring.whenEnded);
  assert.deepEqual({ code: ended.code, details: ended.details }, noLeader);
  using refused = new WatchStream(last!.endpoint, { hasleader: "true" });
  const refusal = await within(longEnoughMs, "the refusal", refused.whenEnded);
  assert.deepEqual({ code: refusal.code, details: refusal.details }, noLeader);

  await Promise.all([leader.restart(), other!.restart()]);
  const { header } = await cluster.client.kv.put("k", "v", { timeoutMs: scaleMs(longEnoughMs) });
  assert.deepEqual(await patient.nextEvents(1), [`PUT k=v ${header.revision}`]);
});

// Watches against a server whose answers the test chooses: the requests sent, the events delivered, and the requests to a new server.

import { status } from "@grpc/grpc-js";
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  Client,
  CompactedError,
  ConnectError,
  EtcdError,
  WatchEndedError,
  toText,
  type Watch,
  type WatchEvent,
  type WatchResponse as Response,
} from "../../../client/index.js";
import {
  WatchResponse,
  type Event_EventType,
  type WatchCreateRequest,
  type WatchRequest,
} from "../../../proto/index.js";
import { VirtualClock } from "../../../testing/virtual-clock.js";
import { FakeServer, type FakeStream } from "../fake-server.js";
import { passTime } from "../virtual-time.js";
import { patientClient } from "../../support/patient-client.js";

type WatchStream = FakeStream<WatchRequest, WatchResponse>;

const utf8 = (text: string) => new TextEncoder().encode(text);

/** An event as `put:key=value@revision` or `delete:key@revision`. */
const event = (text: string) => {
  const [, type, key = "", value = "", revision = "0"] = /^(put|delete):(\w+)=?(\w*)@(\d+)$/.exec(text) ?? [];
  const wireType: Event_EventType = type === "put" ? 0 : 1;
  return { type: wireType, kv: { key: utf8(key), value: utf8(value), modRevision: BigInt(revision) } };
};

const showEvent = ({ type, kv }: WatchEvent) =>
  `${type}:${toText(kv.key)}${type === "put" ? `=${toText(kv.value)}` : ""}@${kv.modRevision}`;

const response = (watchId: bigint, what: Parameters<typeof WatchResponse.create>[0]) =>
  WatchResponse.create({ watchId, ...what });
const events = (watchId: bigint, ...texts: string[]) => response(watchId, { events: texts.map(event) });
const createdResponse = (watchId: bigint, revision = 0n) => response(watchId, { created: true, header: { revision } });

const createRequestOf = async (stream: WatchStream): Promise<WatchCreateRequest> => {
  const { requestUnion } = await stream.request();
  assert.equal(requestUnion?.$case, "createRequest");
  return requestUnion.value;
};

/** Takes this many events. */
const take = async (watch: AsyncIterator<WatchEvent>, count: number): Promise<string[]> => {
  const taken: string[] = [];
  while (taken.length < count) {
    const next = await watch.next();
    assert.ok(!next.done, "the watch ended");
    taken.push(showEvent(next.value));
  }
  return taken;
};

const failure = async (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => assert.fail("succeeded"),
    (reason: unknown) => reason,
  );

async function connect(servers = 1) {
  const all = await Promise.all(Array.from({ length: servers }, () => FakeServer.start()));
  const client = patientClient({ endpoints: all.map(({ endpoint }) => endpoint) });
  /** Resolves with the stream that the client has opened, at whichever server. */
  const stream = () => FakeServer.streamAtAny<WatchRequest, WatchResponse>(all);
  const dispose = async () => {
    await client.close();
    await Promise.all(all.map((server) => server[Symbol.asyncDispose]()));
  };
  return { client, servers: all, stream, [Symbol.asyncDispose]: dispose };
}

const iterate = (watch: Watch) => watch[Symbol.asyncIterator]();

describe("a watch", () => {
  test("sends every option, and requires a leader", async () => {
    await using pair = await connect();
    pair.client.watch("ab", {
      prefix: true,
      startRevision: 7,
      prevKv: true,
      only: "put",
      delivery: { progressNotify: true },
    });
    const stream = await pair.stream();
    assert.equal(stream.metadata.get("hasleader"), "true");
    const request = await createRequestOf(stream);
    assert.deepEqual(
      { ...request, key: toText(request.key), rangeEnd: toText(request.rangeEnd) },
      {
        key: "ab",
        rangeEnd: "ac",
        startRevision: 7n,
        progressNotify: true,
        filters: [1],
        prevKv: true,
        watchId: 0n,
        fragment: true,
      },
    );
  });

  test("gives events in order, and its revision follows", async () => {
    await using pair = await connect();
    const watch = pair.client.watch("a", { prefix: true });
    const stream = await pair.stream();
    await createRequestOf(stream);
    stream.send(createdResponse(0n, 4n));
    assert.equal(await watch.whenReady(), 5);
    stream.send(events(0n, "put:a=1@5", "delete:a@6", "put:b=1@6"));
    const loop = iterate(watch);
    assert.deepEqual(await take(loop, 1), ["put:a=1@5"]);
    assert.equal(watch.revision, 5);
    assert.deepEqual(await take(loop, 1), ["delete:a@6"]);
    assert.equal(watch.revision, 5, "half of a revision is not all of it");
    assert.deepEqual(await take(loop, 1), ["put:b=1@6"]);
    assert.equal(watch.revision, 6);
  });

  test("gives batches by revision, also of fragments, and progress", async () => {
    await using pair = await connect();
    const watch = pair.client.watch("a", { prefix: true, startRevision: 5, delivery: { progressNotify: true } });
    const stream = await pair.stream();
    await createRequestOf(stream);
    stream.send(createdResponse(0n, 9n));
    stream.send(response(0n, { fragment: true, events: ["put:a=1@5", "put:a=2@6"].map(event) }));
    stream.send(events(0n, "put:b=2@6", "put:c=3@8"));
    stream.send(response(0n, { header: { revision: 12n } }));
    const batches: [number, string[]][] = [];
    for await (const batch of watch.batches()) {
      batches.push([batch.revision, batch.events.map(showEvent)]);
      if (batches.length === 4) break;
    }
    assert.deepEqual(batches, [
      [5, ["put:a=1@5"]],
      [6, ["put:a=2@6", "put:b=2@6"]],
      [8, ["put:c=3@8"]],
      [12, []],
    ]);
    assert.equal(watch.revision, 12);
  });

  test("shares its stream with the others; the last one to close ends the stream", async () => {
    await using pair = await connect();
    const [a, b] = [pair.client.watch("a"), pair.client.watch("b")];
    const stream = await pair.stream();
    assert.deepEqual(
      [await createRequestOf(stream), await createRequestOf(stream)].map(({ key }) => toText(key)),
      ["a", "b"],
    );
    stream.send(createdResponse(0n));
    stream.send(createdResponse(1n));
    stream.send(events(1n, "put:b=1@2"));
    stream.send(events(0n, "put:a=1@3"));
    assert.deepEqual(await take(iterate(a), 1), ["put:a=1@3"]);
    const loop = iterate(b);
    assert.deepEqual(await take(loop, 1), ["put:b=1@2"]);
    await loop.return();
    assert.deepEqual((await stream.request()).requestUnion, { $case: "cancelRequest", value: { watchId: 1n } });
    await a.close();
    await stream.whenEnded();
  });

  test("closed before the server has answered is canceled when it does", async () => {
    await using pair = await connect();
    const [a, b] = [pair.client.watch("a"), pair.client.watch("b")];
    const stream = await pair.stream();
    await createRequestOf(stream);
    await createRequestOf(stream);
    await a.close();
    stream.send(createdResponse(0n));
    stream.send(createdResponse(1n));
    assert.deepEqual((await stream.request()).requestUnion, { $case: "cancelRequest", value: { watchId: 0n } });
    stream.send(events(1n, "put:b=1@2"));
    assert.deepEqual(await take(iterate(b), 1), ["put:b=1@2"]);
  });
});

describe("a watch's responses", () => {
  const header = (revision: bigint) => ({ clusterId: 1n, memberId: 2n, revision, raftTerm: 3n });
  const showResponse = ({ header, events }: Response) => [header.revision, ...events.map(showEvent)];

  test("are yielded as the server sends them, with their headers, and advance the watch's revision", async () => {
    await using pair = await connect();
    const watch = pair.client.watch("a", {
      prefix: true,
      startRevision: 5,
      delivery: { progressNotify: true, fragment: false },
    });
    const stream = await pair.stream();
    assert.equal((await createRequestOf(stream)).fragment, false);
    stream.send(createdResponse(0n, 9n));
    const sent = [
      { header: header(9n), events: ["put:a=1@5", "put:a=2@6", "put:b=2@6", "delete:a@8"].map(event) },
      { header: header(9n) },
      { header: header(9n) },
    ];
    for (const each of sent) stream.send(response(0n, each));
    const responses = watch.responses();
    const taken: [unknown[], number][] = [];
    for await (const next of responses) {
      taken.push([showResponse(next), watch.revision]);
      if (taken.length === 1) assert.deepEqual(next.header, { clusterId: 1n, memberId: 2n, revision: 9, raftTerm: 3 });
      if (taken.length === sent.length) break;
    }
    assert.deepEqual(taken, [
      [[9, "put:a=1@5", "put:a=2@6", "put:b=2@6", "delete:a@8"], 8],
      [[9], 9],
      [[9], 9],
    ]);
  });

  test("hold whole revisions although the server sends fragments", async () => {
    await using pair = await connect();
    const responses = pair.client.watch("a", { prefix: true, startRevision: 5 }).responses();
    const stream = await pair.stream();
    await createRequestOf(stream);
    stream.send(createdResponse(0n, 9n));
    const part = (fragment: boolean, ...texts: string[]) =>
      response(0n, { fragment, header: header(9n), events: texts.map(event) });
    for (const each of [part(true, "put:a=1@5", "put:b=1@5"), part(true, "put:c=1@5"), part(false, "put:a=2@6")])
      stream.send(each);
    assert.deepEqual(showResponse((await responses.next()).value as Response), [
      9,
      "put:a=1@5",
      "put:b=1@5",
      "put:c=1@5",
      "put:a=2@6",
    ]);
  });

  test("report progress to all watches on request; a request that may be lost is repeated", async () => {
    await using pair = await connect();
    const watches = ["a", "b", "c"].map((key) => pair.client.watch(key));
    pair.client.requestWatchProgress(); // called before the stream exists
    const stream = await pair.stream();
    for (const { revision } of watches)
      assert.deepEqual([(await createRequestOf(stream)).startRevision, revision], [0n, 0]);
    assert.deepEqual((await stream.request()).requestUnion, { $case: "progressRequest", value: {} });
    for (const id of [0n, 1n]) stream.send(createdResponse(id, 4n));
    const [a, b] = watches.map((watch) => watch.responses());
    const batches = watches[2]!.batches();
    stream.send(response(-1n, { header: header(9n) }));
    for (const each of [a, b]) assert.deepEqual(showResponse((await each!.next()).value as Response), [9]);
    stream.send(createdResponse(2n, 9n));
    stream.send(events(2n, "put:c=1@10"));
    assert.equal((await batches.next()).value?.revision, 10, "a batch is what is certain");
    pair.client.requestWatchProgress();
    assert.equal((await stream.request()).requestUnion?.$case, "progressRequest");
    for (const server of pair.servers) server.cutConnections();
    const next = await pair.stream();
    const again = [await createRequestOf(next), await createRequestOf(next), await createRequestOf(next)];
    assert.deepEqual(
      again.map(({ startRevision }) => startRevision),
      [5n, 5n, 11n],
    );
  });
});

describe("a watch that loses its server", () => {
  test("continues on another server at its next revision, and gets a partly received revision as a whole", async () => {
    await using pair = await connect(2);
    const watch = pair.client.watch("a", { prefix: true });
    const first = await pair.stream();
    assert.equal((await createRequestOf(first)).startRevision, 0n);
    first.send(createdResponse(0n, 4n));
    first.send(events(0n, "put:a=1@5"));
    first.send(response(0n, { fragment: true, events: ["put:a=2@6"].map(event) }));
    const loop = iterate(watch);
    assert.deepEqual(await take(loop, 1), ["put:a=1@5"]);
    for (const server of pair.servers) server.cutConnections();
    const second = await pair.stream();
    assert.equal((await createRequestOf(second)).startRevision, 6n);
    second.send(createdResponse(0n, 9n));
    second.send(events(0n, "put:a=2@6", "put:b=2@6"));
    assert.deepEqual(await take(loop, 2), ["put:a=2@6", "put:b=2@6"]);
  });

  test("without an event so far, asks the next server for events since its creation", async () => {
    await using pair = await connect();
    const watch = pair.client.watch("a");
    const first = await pair.stream();
    await createRequestOf(first);
    first.send(createdResponse(0n, 4n));
    assert.equal(await watch.whenReady(), 5);
    first.fail({ code: status.UNAVAILABLE, details: "etcdserver: no leader" });
    assert.equal((await createRequestOf(await pair.stream())).startRevision, 5n);
  });

  test("continues after the revision of a progress notice", async () => {
    await using pair = await connect();
    const batches = pair.client.watch("a", { startRevision: 3, delivery: { progressNotify: true } }).batches();
    const first = await pair.stream();
    await createRequestOf(first);
    first.send(createdResponse(0n, 4n));
    first.send(response(0n, { header: { revision: 20n } }));
    assert.deepEqual((await batches.next()).value, { revision: 20, events: [] });
    first.fail({ code: status.UNAVAILABLE, details: "etcdserver: server stopped" });
    assert.equal((await createRequestOf(await pair.stream())).startRevision, 21n);
  });

  test("that never answered moves to another server after the request timeout", async () => {
    await using server = await FakeServer.start();
    const clock = new VirtualClock();
    await using client = new Client({ endpoints: [server.endpoint], requestTimeoutMs: 200 }, clock);
    const watch = client.watch("a");
    const silent: WatchStream = await server.stream();
    await createRequestOf(silent);
    clock.advance(199);
    assert.ok(!silent.isEnded);
    clock.advance(1);
    const second: WatchStream = await server.stream();
    await silent.whenEnded();
    second.send(createdResponse(0n, 4n));
    assert.equal(await watch.whenReady(), 5);
  });
});

describe("a watch ends", () => {
  test("with CompactedError when its history is compacted, after the events that had arrived; a new watch continues from there", async () => {
    await using pair = await connect();
    const watch = pair.client.watch("a", { startRevision: 3 });
    const stream = await pair.stream();
    await createRequestOf(stream);
    stream.send(createdResponse(0n, 40n));
    stream.send(events(0n, "put:a=1@5"));
    stream.send(response(0n, { canceled: true, compactRevision: 30n }));
    const loop = iterate(watch);
    assert.deepEqual(await take(loop, 1), ["put:a=1@5"]);
    const error = await failure(loop.next());
    assert.ok(error instanceof CompactedError);
    assert.deepEqual([error.code, error.requested, error.compactRevision], ["out-of-range", 6, 30]);
    assert.equal(error.end.header.revision, 0);
    pair.client.watch("a", { startRevision: error.compactRevision });
    assert.equal((await createRequestOf(await pair.stream())).startRevision, 30n);
  });

  test("when it is refused, with the server's text; other watches on the stream continue", async () => {
    await using pair = await connect();
    const [refused, denied, other] = ["a", "b", "c"].map((key) => pair.client.watch(key)) as [Watch, Watch, Watch];
    const stream = await pair.stream();
    const refuse = (cancelReason: string) => response(-1n, { created: true, canceled: true, cancelReason });
    stream.send(refuse("mvcc: watcher range is empty"));
    stream.send(refuse("rpc error: code = PermissionDenied desc = etcdserver: permission denied"));
    stream.send(createdResponse(0n));
    stream.send(events(0n, "put:c=1@2"));
    assert.deepEqual(await take(iterate(other), 1), ["put:c=1@2"]);
    const errors = await Promise.all([refused, denied].map((watch) => failure(watch.whenReady())));
    const quoted = "rpc error: code = PermissionDenied desc = etcdserver: permission denied";
    assert.deepEqual(
      errors.map((error) => error instanceof WatchEndedError && [error.code, error.message, error.end.cancelReason]),
      [
        ["invalid-argument", "mvcc: watcher range is empty", "mvcc: watcher range is empty"],
        ["permission-denied", "etcdserver: permission denied", quoted],
      ],
    );
  });

  test("with an error when the server has no Watch service", async () => {
    await using pair = await connect();
    const watch = pair.client.watch("a");
    (await pair.stream()).fail({ code: status.UNIMPLEMENTED, details: "unknown method" });
    const error = await failure(iterate(watch).next());
    assert.ok(error instanceof EtcdError);
    assert.equal(error.code, "unimplemented");
  });

  test("quietly when it is closed, and with an error when its signal is aborted or the client is closed", async () => {
    await using pair = await connect();
    const giveUp = new AbortController();
    const watches = [{}, { signal: giveUp.signal }, {}].map((options) => pair.client.watch("a", options));
    const [closed, aborted, orphaned] = watches.map((watch) => iterate(watch).next());
    const assertCanceled = (promise: Promise<unknown> | undefined) => async (reason: unknown) => {
      const error = await failure(promise ?? Promise.resolve());
      assert.ok(error instanceof EtcdError);
      assert.deepEqual([error.code, error.cause], ["cancelled", reason]);
    };
    await watches[0]?.close();
    assert.deepEqual(await closed, { done: true, value: undefined });
    giveUp.abort("enough");
    await assertCanceled(aborted)("enough");
    await pair.client.close();
    await assertCanceled(orphaned)(undefined);
  });
});

test("ready fails with ConnectError without a server, as a request does; the watch waits for one", async () => {
  const away = await FakeServer.start();
  await away[Symbol.asyncDispose]();
  const clock = new VirtualClock();
  await using client = new Client({ endpoints: [away.endpoint], dialTimeoutMs: 50 }, clock);
  const watch = client.watch("a");
  const first = await passTime(clock, failure(watch.whenReady()));
  assert.ok(first instanceof ConnectError);
  assert.deepEqual([...first.failures.keys()], [away.endpoint]);
  const second = await passTime(clock, failure(watch.whenReady()));
  assert.ok(second instanceof ConnectError && second !== first, "asked again, it looks again");
  await using back = await FakeServer.start({}, Number(away.endpoint.split(":")[1]));
  const stream: WatchStream = await passTime(clock, back.stream());
  stream.send(createdResponse(0n, 4n));
  stream.send(events(0n, "put:a=1@5"));
  assert.deepEqual(await take(iterate(watch), 1), ["put:a=1@5"]);
});

test("a watch with a full buffer is canceled at the server, and created again after its last event once it is read", async () => {
  await using pair = await connect();
  const [slow, other] = [pair.client.watch("a", { delivery: { bufferBytes: 1_000 } }), pair.client.watch("b")];
  const stream = await pair.stream();
  await createRequestOf(stream);
  await createRequestOf(stream);
  stream.send(createdResponse(0n, 1n));
  stream.send(createdResponse(1n, 1n));
  const texts = Array.from({ length: 8 }, (_, position) => `put:a=v@${position + 2}`);
  for (const text of texts.slice(0, 6)) stream.send(events(0n, text));
  assert.deepEqual((await stream.request()).requestUnion, { $case: "cancelRequest", value: { watchId: 0n } });
  stream.send(events(1n, "put:b=1@7"));
  assert.deepEqual(await take(iterate(other), 1), ["put:b=1@7"], "the others are not held up");
  const loop = iterate(slow);
  const taken = take(loop, 8);
  const { startRevision } = await createRequestOf(stream);
  assert.ok(startRevision < 7n, `goes on at ${startRevision}`);
  stream.send(createdResponse(2n, 9n));
  stream.send(events(2n, ...texts.filter((text) => event(text).kv.modRevision >= startRevision)));
  assert.deepEqual(await taken, texts);
});

// Backups of a member, part by part.

import assert from "node:assert/strict";
import { test } from "node:test";
import { status } from "@grpc/grpc-js";
import { Client, EtcdError, type Transport } from "../../client/index.js";
import { SnapshotResponse, type SnapshotRequest } from "../../proto/index.js";
import { within } from "../support/deadline.js";
import { connectedChannel } from "./connected-channel.js";
import { type Call, FakeServer, type FakeStream } from "./fake-server.js";

const deadlineMs = 20_000;

type SnapshotStream = FakeStream<SnapshotRequest, SnapshotResponse>;

const part = (text: string, remainingBytes = 0n) =>
  SnapshotResponse.create({ blob: Buffer.from(text), remainingBytes, version: "3.7.0" });

async function connect() {
  const server = await FakeServer.start();
  const client = new Client({ endpoints: [server.endpoint] });
  const iterator = client.maintenance.snapshot(server.endpoint);
  const close = async () => {
    await iterator.return();
    await client.close();
    await server.stop();
  };
  return { server, client, iterator, [Symbol.asyncDispose]: close };
}

test("a backup comes in parts, and ends when the server has sent all of them", async () => {
  await using subject = await connect();
  const { server, iterator } = subject;
  const first = iterator.next();
  const stream: SnapshotStream = await server.stream();
  await stream.request();
  for (const [n, text] of ["a", "b", "c", "d", "e"].entries()) stream.send(part(text, BigInt(4 - n)));
  stream.end();
  const parts = [(await first).value!];
  for await (const each of iterator) parts.push(each);
  assert.equal(Buffer.concat(parts.map(({ bytes }) => bytes)).toString(), "abcde");
  assert.deepEqual(
    parts.map(({ remainingBytes, version }) => [remainingBytes, version]),
    [4, 3, 2, 1, 0].map((remaining) => [remaining, "3.7.0"]),
  );
});

test("an interrupted backup is an error after the parts that arrived", async () => {
  await using subject = await connect();
  const { server, iterator } = subject;
  const [first, second] = [iterator.next(), iterator.next()];
  second.catch(() => undefined); // the rejection is checked later
  const stream: SnapshotStream = await server.stream();
  await stream.request();
  stream.send(part("a", 100n));
  assert.equal((await first).value?.remainingBytes, 100);
  stream.fail({ code: status.UNIMPLEMENTED, details: "no backups" });
  await assert.rejects(second, (error) => error instanceof EtcdError && error.code === "unimplemented");
});

test("a backup that is abandoned, or whose client is closed, leaves no stream open", async () => {
  for (const leave of ["return", "close"] as const) {
    await using subject = await connect();
    const { server, client, iterator } = subject;
    const waiting = [iterator.next(), iterator.next()];
    const stream: SnapshotStream = await server.stream();
    await stream.request();
    stream.send(part("a"));
    await waiting[0];
    const second = Promise.allSettled(waiting.slice(1));
    await (leave === "return" ? iterator.return() : client.close());
    await stream.whenEnded();
    await within(deadlineMs, "the second call", second);
  }
});

test("a backup's token that is refused before the first part is renewed", async () => {
  await using server = await FakeServer.start({
    Authenticate: ({ request }: Call) => ({ token: `t-${(request as { name: string }).name}` }),
  });
  await using client = new Client({ endpoints: [server.endpoint], auth: { user: "root", password: "p" } });
  const iterator = client.maintenance.snapshot(server.endpoint);
  const first = iterator.next();
  const refused: SnapshotStream = await server.stream();
  await refused.request();
  assert.equal(refused.metadata.get("token"), "t-root");
  refused.fail({ code: status.UNAUTHENTICATED, details: "etcdserver: invalid auth token" });
  const accepted: SnapshotStream = await server.stream();
  await accepted.request();
  accepted.send(part("a"));
  assert.equal((await first).value?.bytes.length, 1);
  assert.equal(server.calls.filter(({ method }) => method === "Authenticate").length, 2);
  await iterator.return();
});

/** A transport that is connected immediately; its stream sends all parts unless it is paused. */
class StreamTransport implements Transport {
  sent = 0;
  private isPaused = false;

  constructor(private readonly available: number) {}

  private get maySend(): boolean {
    return !this.isPaused && this.sent < this.available;
  }

  open(): ReturnType<Transport["open"]> {
    return connectedChannel((method, _metadata, onMessage) => {
      const sendAll = () => {
        this.isPaused = false;
        while (this.maySend) {
          this.sent++;
          onMessage(method.decode(Buffer.from(SnapshotResponse.encode(part("a")).finish())));
        }
      };
      return {
        send: () => setImmediate(sendAll),
        endRequests: () => undefined,
        pause: () => {
          this.isPaused = true;
        },
        resume: () => {
          if (this.isPaused) setImmediate(sendAll);
        },
        cancel: () => undefined,
      };
    });
  }
}

test("a backup without any part ends with its timeout", async () => {
  await using client = new Client({ endpoints: ["silent"], transport: new StreamTransport(0) });
  const iterator = client.maintenance.snapshot("silent", { timeoutMs: 50 });
  await assert.rejects(iterator.next(), (error) => error instanceof EtcdError && error.code === "deadline-exceeded");
});

test("a backup is read from the server no faster than from the client", async () => {
  const transport = new StreamTransport(1_000);
  await using client = new Client({ endpoints: ["eager"], transport });
  const iterator = client.maintenance.snapshot("eager");
  for (let taken = 1; taken <= 20; taken++) {
    assert.equal((await iterator.next()).done, false);
    assert.ok(transport.sent <= taken + 2, `${transport.sent} were sent, ${taken} taken`);
  }
  await iterator.return();
});

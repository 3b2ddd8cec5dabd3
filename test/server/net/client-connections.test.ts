import assert from "node:assert/strict";
import { connect, createServer, type Socket } from "node:net";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import { test, type TestContext } from "node:test";
import { ConnectionSlots } from "../../../server/resources/descriptors.js";
import { ClientConnections } from "../../../server/net/client-connections.js";
import { temporaryDirectory } from "../member/member-fixtures.js";

const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/** An empty SETTINGS frame, and a HEADERS frame with only `:method: GET`. */
const firstRequest = "\0\0\0\x04\0\0\0\0\0" + "\0\0\x01\x01\x05\0\0\0\x01\x82";

const setUp = async (t: TestContext, slots?: ConnectionSlots, onTooMany?: () => void, onTls?: () => void) => {
  const path = join(await temporaryDirectory(t), "s");
  const connections = new ClientConnections(slots, onTooMany, onTls);
  const server = createServer((socket) => connections.accept(socket));
  await new Promise<void>((resolve) => server.listen(path, resolve));
  const dialled: Socket[] = [];
  t.after(() => {
    for (const socket of dialled) socket.destroy();
    connections.close();
    server.close();
  });
  const dial = async () => {
    const accepted = new Promise<void>((resolve) => server.once("connection", () => resolve()));
    const socket = connect(path);
    dialled.push(socket);
    const gone = new Promise<void>((resolve) => socket.once("close", () => resolve()));
    socket.on("error", () => undefined);
    await accepted;
    return { socket, gone };
  };
  /** Connections that were passed on, with the bytes that the new owner reads. */
  const served: { socket: Duplex; read: Promise<string> }[] = [];
  let wake: () => void = () => undefined;
  const serve = (socket: Duplex, seen: Buffer): void => {
    const read = new Promise<string>((resolve) => {
      let text = "";
      const onData = (chunk: Buffer): void => {
        text += chunk.toString("latin1");
        if (text.length >= preface.length + firstRequest.length) resolve(text);
      };
      socket.on("data", onData);
      onData(seen);
      socket.resume();
    });
    served.push({ socket, read });
    wake();
  };
  const nextServed = async () => {
    while (served.length === 0) await new Promise<void>((resolve) => (wake = resolve));
    return served.shift() as { socket: Duplex; read: Promise<string> };
  };
  return { connections, server, dial, owner: { serve }, served, nextServed };
};

/** Waits for a turn of the event loop, in which sockets are read. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test("an HTTP/2 connection is handed on with every byte that it sent, in chunks of any size", async (t) => {
  const { connections, dial, owner, nextServed } = await setUp(t);
  connections.start({ http2: owner, http1: owner });
  for (const pieces of [
    [preface + firstRequest],
    [...Array.from(preface), firstRequest],
    ["PRI", " * HTTP/2.0", `\r\n\r\nSM\r\n\r\n${firstRequest}`],
  ]) {
    const { socket } = await dial();
    for (const piece of pieces) {
      socket.write(piece, "latin1");
      await turn();
    }
    assert.equal(await (await nextServed()).read, preface + firstRequest);
  }
});

test("waiting for the rest of a preface does not keep the event loop busy", async (t) => {
  const { connections, dial, owner, served } = await setUp(t);
  connections.start({ http2: owner, http1: owner });
  const { socket } = await dial();
  socket.write("PRI * HT");
  for (let n = 0; n < 100; n++) await turn(); // endless if bytes were returned and read again in the same turn
  assert.equal(served.length, 0);
});

test("an HTTP/1.1 connection is handed to the HTTP server as soon as its bytes cannot be HTTP/2", async (t) => {
  const { connections, dial, owner, served } = await setUp(t);
  const handedOn = new Promise<Buffer>((resolve) =>
    connections.start({
      http2: owner,
      http1: {
        serve: (socket, seen) => {
          t.after(() => socket.destroy());
          resolve(seen);
        },
      },
    }),
  );
  const { socket } = await dial();
  socket.write("P");
  await turn();
  socket.write("UT /x HTTP/1.1\r\n");
  assert.match((await handedOn).toString(), /^PUT? ?/);
  assert.equal(served.length, 0);
});

test("a connection whose first line is not a request is closed", async (t) => {
  const { connections, dial, owner, served } = await setUp(t);
  connections.start({ http2: owner, http1: owner });
  const { socket, gone } = await dial();
  socket.write("hello\r\n");
  await gone;
  assert.equal(served.length, 0);
});

test("a client that uses TLS on a port without TLS is disconnected at once, and counted", async (t) => {
  let refused = 0;
  const { connections, dial, owner, served } = await setUp(t, undefined, undefined, () => refused++);
  connections.start({ http2: owner, http1: owner });
  const { socket, gone } = await dial();
  socket.write(Buffer.from("16030100c8010000c40303", "hex"));
  await gone;
  assert.deepEqual([refused, served.length], [1, 0]);
});

test("a connection made before the member is ready waits, and is served then", async (t) => {
  const { connections, dial, owner, nextServed, served } = await setUp(t);
  const { socket } = await dial();
  socket.write(preface + firstRequest, "latin1");
  await turn();
  assert.equal(served.length, 0);
  connections.start({ http2: owner, http1: owner });
  assert.equal(await (await nextServed()).read, preface + firstRequest);
});

test("closing ends waiting and silent connections; connections that were handed on stay open", async (t) => {
  const { connections, dial, owner, nextServed, server } = await setUp(t);
  const early = await dial();
  connections.start({ http2: owner, http1: owner });
  const silent = await dial();
  const handedOn = await dial();
  handedOn.socket.write(preface + firstRequest, "latin1");
  const mine = await nextServed();
  connections.close();
  await Promise.all([early.gone, silent.gone]);
  assert.equal(mine.socket.destroyed, false);
  const late = await dial();
  await late.gone;
  mine.socket.destroy();
  await new Promise((resolve) => server.close(resolve)); // closes only without open connections
});

/** Resolves when a slot becomes free, which is only after the last frames of its connection were sent. */
class WatchedSlots extends ConnectionSlots {
  private onFree: () => void = () => undefined;

  nextFree(): Promise<void> {
    return new Promise((resolve) => (this.onFree = resolve));
  }

  override giveBack(): void {
    super.giveBack();
    this.onFree();
  }
}

test("a connection beyond the limit is closed at once; when another one ends, its place is taken", async (t) => {
  let refused = 0;
  const slots = new WatchedSlots(() => 2);
  const { connections, dial, owner, nextServed } = await setUp(t, slots, () => refused++);
  connections.start({ http2: owner, http1: owner });
  const dialServed = async (): Promise<Duplex> => {
    const { socket } = await dial();
    socket.write(preface + firstRequest, "latin1");
    return (await nextServed()).socket;
  };
  const silent = await dial();
  const served = await dialServed();
  const third = await dial();
  await third.gone;
  assert.equal(refused, 1);
  const silentIsFree = slots.nextFree();
  silent.socket.destroy();
  await silentIsFree;
  await dialServed();
  const servedIsFree = slots.nextFree();
  served.destroy();
  await servedIsFree;
  await dialServed();
  assert.equal(refused, 1);
});

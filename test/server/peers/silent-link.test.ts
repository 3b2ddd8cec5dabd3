// A connection between members that goes silent without closing.

import assert from "node:assert/strict";
import { createServer, type Socket } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { frameHeader } from "../../../server/peers/frame.js";
import { keepaliveMs } from "../../../server/peers/hello.js";
import { IncomingLinks } from "../../../server/peers/incoming-links.js";
import { PeerStats, PeerTraffic } from "../../../server/peers/peer-stats.js";
import { OutgoingLink } from "../../../server/peers/outgoing-link.js";
import {
  admitting,
  knownIncarnation,
  peersListener,
  recordingLogger,
  temporaryDirectory,
} from "../member/member-fixtures.js";
import { VirtualClock } from "../../../testing/virtual-clock.js";
import { toClusterId, toMemberId } from "../../../testing/ids.js";

const waitUntil = async (isTrue: () => boolean): Promise<void> => {
  while (!isTrue()) await new Promise((resolve) => setImmediate(resolve));
};

/** Creates a link that is not open yet, with counts of its openings and closings. */
const linkTo = (path: string, clock: VirtualClock) => {
  const count = { opened: 0, closed: 0 };
  const options = {
    incarnation: knownIncarnation,
    clusterId: toClusterId(1n),
    from: toMemberId(1n),
    to: toMemberId(2n),
    addresses: [{ kind: "unix", path }],
    clock,
    logger: recordingLogger().logger,
  } as const;
  const link = new OutgoingLink(options, new PeerTraffic());
  const open = (): void =>
    link.open(
      peersListener({
        onLinkOpened: () => (count.opened += 1),
        onLinkClosed: () => (count.closed += 1),
      }),
    );
  return { link, open, count };
};

test("a link without keepalives is dialled again; one with keepalives is kept", async (t) => {
  const path = join(await temporaryDirectory(t), "s");
  const accepted: Socket[] = [];
  const server = createServer((socket) => {
    accepted.push(socket);
    socket.once("data", () => void socket.write(frameHeader(Buffer.alloc(0))));
    socket.on("error", () => undefined);
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  const clock = new VirtualClock();
  const { link, open, count } = linkTo(path, clock);
  t.after(() => {
    link.close();
    for (const socket of accepted) socket.destroy();
    server.close();
  });
  open();
  await waitUntil(() => link.isUp);

  for (let second = 0; second < 10; second++) {
    clock.advance(keepaliveMs);
    const [socket] = accepted;
    const flushed = new Promise((resolve) => socket?.write(frameHeader(Buffer.alloc(0)), resolve));
    await flushed;
    await new Promise((resolve) => setImmediate(resolve));
  }
  clock.freeze(60_000); // this process was frozen; the peer was not
  clock.advance(0);
  assert.deepEqual(count, { opened: 1, closed: 0 });

  for (let second = 0; second < 5; second++) clock.advance(keepaliveMs);
  await waitUntil(() => count.closed === 1);
  clock.advance(1_000);
  await waitUntil(() => accepted.length === 2 && link.isUp);
  assert.equal(count.opened, 2);
});

test("an incoming link is sent keepalives until it closes", async (t) => {
  const path = join(await temporaryDirectory(t), "s");
  const clock = new VirtualClock();
  const { logger, lines } = recordingLogger();
  const links = new IncomingLinks(
    {
      clusterId: toClusterId(1n),
      self: toMemberId(2n),
      incarnations: admitting,
      clock,
      logger,
      maxUnknownConnections: 1,
      stats: new PeerStats(),
    },
    new Map([[toMemberId(1n), { redial: () => undefined }]]),
    peersListener(),
  );
  const server = createServer((socket) => links.accept(socket));
  await new Promise<void>((resolve) => server.listen(path, resolve));
  const { link, open, count } = linkTo(path, clock);
  t.after(() => {
    link.close();
    links.close();
    server.close();
  });
  open();
  await waitUntil(() => link.isUp);
  for (let second = 0; second < 20; second++) {
    clock.advance(keepaliveMs);
    for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
  }
  assert.deepEqual(count, { opened: 1, closed: 0 });
  links.close();
  await waitUntil(() => count.closed === 1);
  link.close();
  assert.equal(clock.pendingTimers, 0);
  assert.deepEqual(lines, []);
});

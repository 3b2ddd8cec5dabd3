// A snapshot's own connection: the contract of channels, and the real one between two members.
import assert from "node:assert/strict";
import { connect, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { systemClock } from "../../../platform/index.js";
import type { MemberId } from "../../../raft/index.js";
import { frameHeader } from "../../../server/peers/frame.js";
import { encodeHello } from "../../../server/peers/hello.js";
import { Peers } from "../../../server/peers/peers.js";
import { ChannelClosedError, type SnapshotChannel } from "../../../server/peers/channel.js";
import {
  admitting,
  knownIncarnation,
  peersListener,
  recordingLogger,
  temporaryDirectory,
} from "../member/member-fixtures.js";
import { toClusterId, toMemberId } from "../../../testing/ids.js";
import { memoryChannel } from "../../../testing/memory-channel.js";
import { SimProcess } from "../../../testing/process.js";
import { Scheduler } from "../../../testing/scheduler.js";
import { SimChannel } from "../../../testing/sim-channel.js";
import { testChannelContract, takeTurns } from "./channel-contract.js";

interface End {
  readonly peers: Peers;
  /** Channels that others opened to the member. */
  readonly accepted: { readonly from: MemberId; readonly channel: SnapshotChannel }[];
  readonly lines: readonly { readonly msg: string; readonly reason?: unknown }[];
  /** The sockets of accepted channels. */
  readonly sockets: Socket[];
}

const member = async (t: TestContext, directory: string, self: MemberId, clusterId = toClusterId(9n)): Promise<End> => {
  const accepted: { readonly from: MemberId; readonly channel: SnapshotChannel }[] = [];
  const { logger, lines } = recordingLogger();
  const peers = new Peers({
    incarnations: admitting,
    clusterId,
    self,
    peers: [toMemberId(1n), toMemberId(2n)]
      .filter((id) => id !== self)
      // Member 1 has no address to dial, so there are only channels and no links.
      .map((id) => ({ id, addresses: id === 1n ? [] : [{ kind: "unix", path: join(directory, String(id)) }] })),
    clock: systemClock,
    logger,
  });
  // Member 1 only opens channels, so it needs no listener.
  if (self !== 1n)
    void peers.open(
      peersListener({
        onMessage: () => assert.fail("a message"),
        onSnapshot: (from, channel) => accepted.push({ from, channel }),
        onLinkOpened: () => assert.fail("a link"),
        onLinkClosed: () => assert.fail("a closed link"),
      }),
    );
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    peers.accept(socket);
  });
  await new Promise<void>((resolve) => server.listen(join(directory, String(self)), resolve));
  t.after(() => {
    peers.close();
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return { peers, accepted, lines, sockets };
};

const waitUntil = async (isDone: () => boolean): Promise<void> => {
  while (!isDone()) await new Promise((resolve) => setImmediate(resolve));
};

const hello = encodeHello({
  clusterId: toClusterId(9n),
  from: toMemberId(1n),
  to: toMemberId(2n),
  incarnation: knownIncarnation,
  purpose: "snapshot",
});

/** Opens a channel from member 1 to member 2. Returns both ends. */
const openChannel = async (t: TestContext) => {
  const directory = await temporaryDirectory(t);
  const one = await member(t, directory, toMemberId(1n));
  const two = await member(t, directory, toMemberId(2n));
  const here = await one.peers.openSnapshot(toMemberId(2n));
  await waitUntil(() => two.accepted.length === 1);
  const { from, channel: there } = two.accepted[0]!;
  assert.equal(from, 1n);
  return { directory, one, two, here, there };
};

testChannelContract("over sockets", async (t) => {
  const { here, there, two } = await openChannel(t);
  const cut = async (): Promise<void> => {
    await waitUntil(() => (two.sockets[0]?.bytesRead ?? 0) > frameHeader(hello).length + hello.length);
    two.sockets[0]?.destroy();
  };
  return { here, there, cut };
});

testChannelContract("in memory", () => {
  const { ends, cut } = memoryChannel();
  const cutNow = (): Promise<void> => {
    cut();
    return Promise.resolve();
  };
  return Promise.resolve({ here: ends[0], there: ends[1], cut: cutNow });
});

testChannelContract("of the simulated network", async (t) => {
  const scheduler = new Scheduler();
  const side = (name: string) => ({ name, process: new SimProcess(scheduler, (error) => assert.fail(String(error))) });
  const channel = new SimChannel(
    scheduler,
    [side("one"), side("two")],
    () => true,
    () => 1,
  );
  const test = { isOver: false };
  t.after(() => (test.isOver = true));
  const passTime = async (): Promise<void> => {
    while (!test.isOver) {
      await scheduler.runUntil(scheduler.now + 1);
      await takeTurns(1);
    }
  };
  void passTime();
  const cut = async (): Promise<void> => {
    await takeTurns();
    channel.cut();
  };
  return Promise.resolve({ here: channel.dialled, there: channel.accepted, cut });
});

test("a damaged frame ends the channel and is logged", async (t) => {
  const { directory, two } = await openChannel(t);
  const socket = connect(join(directory, "2"));
  t.after(() => socket.destroy());
  socket.write(Buffer.concat([frameHeader(hello), hello]));
  await waitUntil(() => two.accepted.length === 2);
  const { channel } = two.accepted[1]!;
  const payload = Buffer.from("a chunk");
  const header = frameHeader(payload);
  payload[3] = (payload[3] ?? 0) ^ 1;
  socket.write(Buffer.concat([header, payload]));
  await assert.rejects(channel.receive(), ChannelClosedError);
  const line = two.lines.at(-1);
  assert.equal(line?.msg, "closed a peer connection");
  assert.match(String(line.reason), /frame with a wrong checksum/);
});

test("a channel is no link: the accepting member reports no link opened or closed", async (t) => {
  const { one, two, here } = await openChannel(t); // an unexpected message or link fails the test
  here.close("done");
  await waitUntil(() => two.sockets.every(({ destroyed }) => destroyed));
  await assert.rejects(one.peers.openSnapshot(toMemberId(3n)), /unknown peer 3/);
});

test("opening a channel to a member that is down or of another cluster throws with the reason", async (t) => {
  const directory = await temporaryDirectory(t);
  const one = await member(t, directory, toMemberId(1n));
  await assert.rejects(one.peers.openSnapshot(toMemberId(2n)), (error) => {
    assert.ok(error instanceof ChannelClosedError);
    assert.match(String(error.cause), /ENOENT/);
    return true;
  });
  await member(t, directory, toMemberId(2n), toClusterId(8n));
  await assert.rejects(one.peers.openSnapshot(toMemberId(2n)), /peer refused connection: cluster ID mismatch/);
  one.peers.close();
  await assert.rejects(one.peers.openSnapshot(toMemberId(2n)), /the member is stopping/);
});

test("closing a member's peers ends its channels", async (t) => {
  const { one, here, there } = await openChannel(t);
  const nothing = there.receive();
  nothing.catch(() => undefined);
  one.peers.close();
  await assert.rejects(here.receive(), ChannelClosedError);
  await assert.rejects(nothing, ChannelClosedError);
});

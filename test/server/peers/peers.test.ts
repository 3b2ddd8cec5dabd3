import assert from "node:assert/strict";
import { connect, createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import fc from "../../support/fast-check.js";
import { systemClock } from "../../../platform/index.js";
import { encodePeerMessage, type MemberId, type PeerMessage, type Term } from "../../../raft/index.js";
import type { ClusterId } from "../../../server/base/index.js";
import { describeForeignProtocol } from "../../../server/peers/foreign-protocol.js";
import { FrameError, frameHeader, PeerFrameReader } from "../../../server/peers/frame.js";
import { decodeHello, encodeHello, peerProtocolVersion } from "../../../server/peers/hello.js";
import { IncomingLinks } from "../../../server/peers/incoming-links.js";
import { PeerStats } from "../../../server/peers/peer-stats.js";
import { Peers, type Peer } from "../../../server/peers/peers.js";
import type { PeerAdmission } from "../../../server/peers/peer-admission.js";
import type { PeersListener } from "../../../server/peers/peers-listener.js";
import {
  admitAll,
  knownIncarnation,
  peersListener,
  recordingLogger,
  temporaryDirectory,
} from "../member/member-fixtures.js";
import { toClusterId, toMemberId } from "../../../testing/ids.js";

const frame = (payload: Uint8Array): Buffer => Buffer.concat([frameHeader(payload), payload]);
const heartbeatReply = (round: number): PeerMessage => ({ kind: "heartbeatReply", term: 1 as Term, round });

/** A queue of values for which a test waits. */
class Arrivals<T> {
  private readonly values: T[] = [];
  private wake: () => void = () => undefined;

  readonly push = (value: T): void => {
    this.values.push(value);
    this.wake();
  };

  async next(): Promise<T> {
    while (this.values.length === 0) await new Promise<void>((resolve) => (this.wake = resolve));
    return this.values.shift() as T;
  }

  get size(): number {
    return this.values.length;
  }
}

// Frames.

test("frames are read as they were written, however the bytes are split", () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 6 }),
      fc.array(fc.nat(200), { maxLength: 12 }),
      (payloads, cuts) => {
        const bytes = Buffer.concat(payloads.map(frame));
        const ends = [...cuts.map((cut) => Math.min(cut, bytes.length)), bytes.length].sort((a, b) => a - b);
        const reader = new PeerFrameReader(100);
        const read: Uint8Array[] = [];
        let start = 0;
        for (const end of ends) {
          reader.push(bytes.subarray(start, end), (payload) => read.push(Uint8Array.from(payload)));
          start = end;
        }
        assert.deepEqual(read, payloads);
      },
    ),
  );
});

test("a frame may be split at every byte", () => {
  const bytes = Buffer.concat([frame(Buffer.from("one")), frame(Buffer.from("")), frame(Buffer.from("three"))]);
  for (let cut = 0; cut <= bytes.length; cut++) {
    const reader = new PeerFrameReader(5);
    const read: string[] = [];
    for (const part of [bytes.subarray(0, cut), bytes.subarray(cut)])
      reader.push(part, (payload) => read.push(payload.toString()));
    assert.deepEqual(read, ["one", "", "three"], `cut at ${cut}`);
  }
});

test("a flipped bit in payload or checksum is a FrameError", () => {
  const good = frame(Buffer.from("payload"));
  for (let bit = 32; bit < good.length * 8; bit++) {
    const bad = Buffer.from(good);
    bad[bit >> 3] = (bad[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    assert.throws(() => new PeerFrameReader(100).push(bad, () => assert.fail("a payload")), FrameError);
  }
});

test("foreign protocols on the peer port are recognized by their first bytes", () => {
  for (const bytes of ["GET / HTTP/1.1", "OPTIONS * HTTP/1.1", "PRI * HTTP/2.0"])
    assert.match(
      describeForeignProtocol(Buffer.from(bytes).subarray(0, 8)) ?? "",
      /^this is HTTP, .*use the client port/,
    );
  assert.match(describeForeignProtocol(Buffer.from("160301020001fc03", "hex")) ?? "", /^this is TLS, .*use https:/);
  assert.equal(describeForeignProtocol(frameHeader(Buffer.alloc(300))), undefined);
});

test("a frame beyond the limit is refused by its header, and the limit can be raised", () => {
  const header = frameHeader(Buffer.alloc(101));
  assert.throws(() => new PeerFrameReader(100).push(header, () => assert.fail("a payload")), FrameError);
  const reader = new PeerFrameReader(3);
  const read: number[] = [];
  reader.push(Buffer.concat([frame(Buffer.alloc(3)), frame(Buffer.alloc(101))]), (payload) => {
    reader.setMaxPayload(101);
    read.push(payload.length);
  });
  assert.deepEqual(read, [3, 101]);
});

test("a hello decodes to the encoded one; other bytes are refused", () => {
  const incarnation = { directory: 2n ** 64n - 2n, start: 2 ** 40, run: 2n ** 63n };
  const hello = {
    clusterId: toClusterId(0xffff_ffff_ffff_ffffn),
    from: toMemberId(1n),
    to: toMemberId(2n),
    incarnation,
  };
  for (const purpose of ["messages", "snapshot"] as const)
    assert.deepEqual(decodeHello(encodeHello({ ...hello, purpose })), {
      ...hello,
      purpose,
      version: peerProtocolVersion,
    });
  const bytes = encodeHello({ ...hello, purpose: "snapshot" });
  const unknownPurpose = Buffer.from(bytes).fill(9, bytes.length - 1);
  assert.equal(decodeHello(unknownPurpose), undefined);
  assert.equal(decodeHello(bytes.subarray(0, -1)), undefined);
  assert.equal(decodeHello(Buffer.from("GET / HTTP/1.1\r\nHost: member-of-a-cluster\r\n\r\n")), undefined);
});

// Links over unix sockets.

const listenAt = (t: TestContext, path: string, accept: (socket: Socket) => void): Promise<Server> =>
  new Promise((resolve) => {
    const server = createServer(accept);
    const open = new Set<Socket>();
    server.on("connection", (socket) => open.add(socket));
    t.after(() => {
      server.close();
      for (const socket of open) socket.destroy();
    });
    server.listen(path, () => resolve(server));
  });

interface TestMember {
  readonly peers: Peers;
  /** Opens the member's links. */
  readonly open: () => Promise<void>;
  readonly messages: Arrivals<readonly [MemberId, PeerMessage]>;
  readonly closed: Arrivals<MemberId>;
  readonly lines: readonly { readonly msg: string; readonly reason?: unknown }[];
}

/** Creates a member with links to others in `directory`; it neither dials nor accepts before `open`. */
const testMember = async (
  t: TestContext,
  directory: string,
  self: MemberId,
  own: Partial<PeersListener & Pick<PeerAdmission, "admitPeer">> & { readonly peers?: readonly Peer[] } = {},
): Promise<TestMember> => {
  const messages = new Arrivals<readonly [MemberId, PeerMessage]>();
  const closed = new Arrivals<MemberId>();
  const { logger, lines } = recordingLogger();
  const {
    peers: others = [toMemberId(1n), toMemberId(2n)]
      .filter((id) => id !== self)
      .map((id): Peer => ({ id, addresses: [{ kind: "unix", path: join(directory, String(id)) }] })),
    admitPeer = admitAll,
    ...events
  } = own;
  const peers = new Peers({
    incarnations: { own: knownIncarnation, admitPeer },
    clusterId: toClusterId(9n),
    self,
    peers: others,
    clock: systemClock,
    logger,
  });
  const listener = peersListener({
    onMessage: (from, message) => messages.push([from, message]),
    onLinkClosed: closed.push,
    ...events,
  });
  t.after(() => peers.close());
  await listenAt(t, join(directory, String(self)), (socket) => peers.accept(socket));
  return { peers, open: () => peers.open(listener), messages, closed, lines };
};

/** Sends repeatedly until a message arrives: messages are lost before the link is up. */
const sendUntil = async (send: () => void, hasArrived: () => boolean): Promise<void> => {
  while (!hasArrived()) {
    send();
    await new Promise((resolve) => setImmediate(resolve));
  }
};

test("members send over the links that they dialled, in order, and report a closed link", async (t) => {
  const directory = await temporaryDirectory(t);
  const one = await testMember(t, directory, toMemberId(1n));
  const two = await testMember(t, directory, toMemberId(2n));
  void one.open();
  void two.open();
  await sendUntil(
    () => one.peers.send([{ to: toMemberId(2n), message: heartbeatReply(0) }]),
    () => two.messages.size > 0,
  );
  one.peers.send([1, 2, 3].map((round) => ({ to: toMemberId(2n), message: heartbeatReply(round) })));
  let expected = 1;
  while (expected <= 3) {
    const [from, message] = await two.messages.next();
    assert.equal(from, 1n);
    assert.ok(message.kind === "heartbeatReply");
    if (message.round === 0) continue;
    assert.equal(message.round, expected++);
  }
  two.peers.close();
  assert.equal(await one.closed.next(), 2n);
});

test("a message to several members, larger than their socket buffers, arrives unaltered", async (t) => {
  const directory = await temporaryDirectory(t);
  const ids = [1n, 2n, 3n].map(toMemberId);
  const peersOf = (self: MemberId): readonly Peer[] =>
    ids
      .filter((id) => id !== self)
      .map((id) => ({ id, addresses: [{ kind: "unix", path: join(directory, String(id)) }] }));
  const [one, two, three] = await Promise.all(ids.map((id) => testMember(t, directory, id, { peers: peersOf(id) })));
  assert.ok(one !== undefined && two !== undefined && three !== undefined);
  for (const each of [one, two, three]) void each.open();
  const sendToBoth = (message: PeerMessage): void =>
    one.peers.send([toMemberId(2n), toMemberId(3n)].map((to) => ({ to, message })));
  await sendUntil(
    () => sendToBoth(heartbeatReply(0)),
    () => two.messages.size > 0 && three.messages.size > 0,
  );
  const proposal = (n: number): PeerMessage => ({ kind: "forwardedProposal", data: new Uint8Array(1_000 + n).fill(n) });
  const count = 2_000; // sent in one turn of the event loop, without a read between them
  for (let n = 0; n < count; n++) {
    sendToBoth(proposal(n));
    one.peers.send([{ to: toMemberId(n % 2 === 0 ? 2n : 3n), message: heartbeatReply(n + 1) }]);
  }
  for (const [member, parity] of [
    [two, 0],
    [three, 1],
  ] as const)
    for (let n = 0; n < count;) {
      const [, message] = await member.messages.next();
      if (message.kind === "heartbeatReply" && message.round === 0) continue;
      assert.deepEqual(message, proposal(n));
      if (n % 2 === parity) assert.deepEqual((await member.messages.next())[1], heartbeatReply(n + 1));
      n++;
    }
});

test("a link is dialled until the peer is up, and again after it was down", async (t) => {
  const directory = await temporaryDirectory(t);
  const one = await testMember(t, directory, toMemberId(1n));
  void one.open(); // no other member listens yet
  const two = await testMember(t, directory, toMemberId(2n));
  void two.open();
  const deliver = (): Promise<void> =>
    sendUntil(
      () => one.peers.send([{ to: toMemberId(2n), message: heartbeatReply(1) }]),
      () => two.messages.size > 0,
    );
  await deliver();
  while (two.messages.size > 0) await two.messages.next();
  two.peers.close(); // closes its end of the link
  assert.equal(await one.closed.next(), 2n);
});

/** Sets up the incoming links of member 1 of cluster 9, and a function that dials them. */
const setUpIncoming = async (t: TestContext, admitPeer: PeerAdmission["admitPeer"] = admitAll) => {
  const directory = await temporaryDirectory(t);
  const messages = new Arrivals<readonly [MemberId, PeerMessage]>();
  const closed = new Arrivals<MemberId>();
  const { logger, lines } = recordingLogger();
  const other = { redial: () => undefined };
  const links = new IncomingLinks(
    {
      clusterId: toClusterId(9n),
      self: toMemberId(1n),
      incarnations: { admitPeer },
      clock: systemClock,
      logger,
      maxUnknownConnections: 2,
      stats: new PeerStats(),
    },
    new Map([
      [toMemberId(2n), other],
      [toMemberId(3n), other],
    ]),
    peersListener({
      onMessage: (from, message) => messages.push([from, message]),
      onLinkClosed: closed.push,
    }),
  );
  t.after(() => links.close());
  const path = join(directory, "s");
  await listenAt(t, path, (socket) => links.accept(socket));
  /** Dials and sends `first`. Returns the answer, and the end of the connection. */
  const dial = (first: Buffer) => {
    const socket = connect(path);
    t.after(() => socket.destroy());
    const gone = new Promise<void>((resolve) => socket.once("close", () => resolve()));
    const answer = new Promise<string>((resolve) => {
      const reader = new PeerFrameReader(512);
      socket.on("data", (chunk: Buffer) => reader.push(chunk, (payload) => resolve(payload.toString())));
      void gone.then(() => resolve("closed without an answer"));
    });
    socket.on("error", () => undefined);
    socket.write(first);
    return { socket, answer, gone };
  };
  const hello = (changes: Partial<{ clusterId: ClusterId; from: MemberId; to: MemberId }> = {}): Buffer =>
    encodeHello({
      clusterId: toClusterId(9n),
      from: toMemberId(2n),
      to: toMemberId(1n),
      incarnation: knownIncarnation,
      purpose: "messages",
      ...changes,
    });
  return { links, messages, closed, lines, dial, hello };
};

test("a refused hello is answered with the reason, and the connection closes", async (t) => {
  const { dial, hello, lines } = await setUpIncoming(t);
  const otherVersion = hello();
  otherVersion.writeUInt16BE(peerProtocolVersion + 1, "minietcd-peer\0".length);
  const strangers: [first: Buffer, reason: RegExp][] = [
    [frame(hello({ clusterId: toClusterId(8n) })), /^cluster ID mismatch: member 2 is of cluster 8, this one of 9$/],
    [frame(hello({ to: toMemberId(5n) })), /^member ID mismatch: 5 is wanted, this is 1$/],
    [frame(hello({ from: toMemberId(4n) })), /^member 4 is not another member of this cluster$/],
    [frame(hello({ from: toMemberId(1n) })), /^member 1 is not another member of this cluster$/],
    [
      frame(otherVersion),
      new RegExp(
        `^peer protocol ${peerProtocolVersion + 1} is not ${peerProtocolVersion}: run the same minietcd on all`,
      ),
    ],
    [frame(Buffer.from("hello?")), /^this is the peer port of a minietcd member/],
    [Buffer.from("GET / HTTP/1.1\r\n\r\n"), /^closed without an answer$/],
  ];
  for (const [first, reason] of strangers) {
    const { answer, gone } = dial(first);
    assert.match(await answer, reason);
    await gone;
  }
  assert.equal(lines.length, strangers.length);
});

test("messages after a refusal are ignored", async (t) => {
  const { dial, hello, lines, messages } = await setUpIncoming(t);
  const many = Buffer.concat(Array.from({ length: 20 }, () => frame(hello({ clusterId: toClusterId(8n) }))));
  const { answer, gone } = dial(Buffer.concat([many, frame(hello())]));
  assert.match(await answer, /cluster ID mismatch/);
  await gone;
  assert.equal(lines.length, 1);
  assert.equal(messages.size, 0);
});

test("messages are read after the answer, which waits until the incarnation is durable", async (t) => {
  const met = new Arrivals<readonly unknown[]>();
  let onRemembered: () => void = () => undefined;
  const { dial, hello, messages } = await setUpIncoming(t, (member, incarnation) => {
    met.push([member, incarnation]);
    return new Promise((resolve) => (onRemembered = () => resolve(undefined)));
  });
  const early = frame(encodePeerMessage(heartbeatReply(1)));
  const { answer, socket } = dial(Buffer.concat([frame(hello()), early]));
  assert.deepEqual(await met.next(), [2n, knownIncarnation]);
  onRemembered();
  assert.equal(await answer, "");
  socket.write(frame(encodePeerMessage(heartbeatReply(2))));
  assert.deepEqual(await messages.next(), [2n, heartbeatReply(2)]);
});

test("a stale member is fenced before it takes part, and named in the log", async (t) => {
  const directory = await temporaryDirectory(t);
  const refusal = { reason: "started once, member 2 has seen 3 starts", isStale: true };
  const two = await testMember(t, directory, toMemberId(2n), { admitPeer: () => Promise.resolve(refusal) });
  void two.open();
  const fenced = new Arrivals<string>();
  const one = await testMember(t, directory, toMemberId(1n), { onFenced: fenced.push });
  await one.open();
  assert.equal(fenced.size, 1, "by the time at which everybody was asked");
  assert.equal(await fenced.next(), refusal.reason);
  one.peers.send([{ to: toMemberId(2n), message: heartbeatReply(1) }]);
  assert.equal(two.messages.size, 0);
  const lines = two.lines.map(({ msg, reason }) => `${msg}: ${String(reason)}`);
  assert.deepEqual(lines, [`refused a peer connection: member 1 is stale: ${refusal.reason}`]);
});

test("repeated refusals of the same reasons are logged once each", async (t) => {
  const directory = await temporaryDirectory(t);
  const reasons = ["this", "that", "this", "that", "this"];
  const admitPeer = () => Promise.resolve({ reason: reasons.shift() ?? "", isStale: false });
  const one = await testMember(t, directory, toMemberId(1n), { admitPeer });
  void one.open();
  const hello = encodeHello({
    clusterId: toClusterId(9n),
    from: toMemberId(2n),
    to: toMemberId(1n),
    incarnation: knownIncarnation,
    purpose: "messages",
  });
  while (reasons.length > 0) {
    const socket = connect(join(directory, "1"));
    socket.on("error", () => undefined).resume();
    socket.write(frame(hello));
    await new Promise((resolve) => socket.once("close", resolve));
  }
  assert.deepEqual(
    one.lines.map(({ reason }) => reason),
    ["this", "that"],
  );
});

test("open resolves once each peer has answered or was tried at each address", async (t) => {
  const directory = await temporaryDirectory(t);
  const two = await testMember(t, directory, toMemberId(2n));
  void two.open();
  const address = (name: string) => ({ kind: "unix", path: join(directory, name) }) as const;
  const opened: MemberId[] = [];
  const one = await testMember(t, directory, toMemberId(1n), {
    peers: [
      { id: toMemberId(2n), addresses: [address("elsewhere"), address("2")] },
      { id: toMemberId(3n), addresses: [address("3"), address("elsewhere")] },
    ],
    onLinkOpened: (peer) => opened.push(peer),
  });
  await one.open();
  assert.deepEqual(opened, [2n]);
  two.peers.close();
});

test("a newer link of a peer replaces the older one without reporting it closed", async (t) => {
  const { dial, hello, closed, links } = await setUpIncoming(t);
  const older = dial(frame(hello()));
  assert.equal(await older.answer, "");
  const newer = dial(frame(hello()));
  assert.equal(await newer.answer, "");
  await older.gone;
  const other = dial(frame(hello({ from: toMemberId(3n) })));
  assert.equal(await other.answer, "");
  other.socket.destroy();
  assert.equal(await closed.next(), 3n); // not 2, whose older link had closed before
  links.close();
  assert.equal(await closed.next(), 2n);
  await newer.gone;
});

test("a damaged message closes the link", async (t) => {
  const { dial, hello, closed, messages } = await setUpIncoming(t);
  const { answer, gone, socket } = dial(frame(hello()));
  assert.equal(await answer, "");
  socket.write(frame(Buffer.from("no message at all")));
  await gone;
  assert.equal(await closed.next(), 2n);
  assert.equal(messages.size, 0);
});

test("unknown connections are bounded", async (t) => {
  const { dial, hello } = await setUpIncoming(t);
  const silent = Array.from({ length: 100 }, () => dial(Buffer.from([0])));
  await Promise.all(silent.map(({ socket }) => new Promise((resolve) => socket.once("connect", resolve))));
  const late = dial(frame(hello()));
  assert.equal(await late.answer, "closed without an answer");
  silent[0]?.socket.destroy();
  await silent[0]?.gone;
});

test("connections beyond maxUnknownConnections are closed at once; established ones do not count", async (t) => {
  const { dial, hello, lines } = await setUpIncoming(t);
  const member = dial(frame(hello()));
  assert.equal(await member.answer, "");
  const silent = [dial(Buffer.alloc(0)), dial(Buffer.alloc(0))];
  const tooMany = dial(frame(hello({ from: toMemberId(3n) })));
  assert.equal(await tooMany.answer, "closed without an answer");
  assert.deepEqual(
    lines.map(({ msg, count }) => [msg, count]),
    [["closed peer connections: too many without a hello", 1]],
  );
  silent[0]?.socket.destroy();
  await silent[0]?.gone;
  for (;;) {
    const again = await dial(frame(hello({ from: toMemberId(3n) }))).answer;
    if (again === "") break; // the end of the silent connection has been noticed
  }
});

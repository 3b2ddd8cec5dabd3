// Snapshots from one member to another, over a channel in memory and in virtual time.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { LogIndex, LogPosition, MemberId, Term } from "../../../raft/index.js";
import type { SnapshotHeader } from "../../../server/snapshots/incoming-snapshot.js";
import { SnapshotReceiver } from "../../../server/snapshots/snapshot-receiver.js";
import { SnapshotSender } from "../../../server/snapshots/snapshot-sender.js";
import { ChannelClosedError, type SnapshotChannel } from "../../../server/peers/channel.js";
import type { Row } from "../../../store/index.js";
import { coreStatus, recordingLogger } from "../member/member-fixtures.js";
import { ListedRows, ListedStore, position, rowsOf } from "./snapshot-fixtures.js";
import { memoryChannel, type Alter } from "../../../testing/memory-channel.js";
import { VirtualClock } from "../../../testing/virtual-clock.js";
import { toMemberId } from "../../../testing/ids.js";
import { everyNth } from "../../support/thorough.js";

const follower: MemberId = toMemberId(2n);
const term = (value: number): Term => value as Term;

/** Runs everything that is due at the present time. */
const settle = async (clock: VirtualClock, turns = 20): Promise<void> => {
  for (let turn = 0; turn < turns; turn++) {
    await new Promise((resolve) => setImmediate(resolve));
    clock.advance(0);
  }
};

/** Advances time, in small steps at first, in which work in progress ends. */
const pass = async (clock: VirtualClock, ms: number): Promise<void> => {
  const stepMs = 5;
  const end = clock.now() + ms;
  for (const small = Math.min(end, clock.now() + 200); clock.now() < small;) {
    clock.advance(stepMs);
    await settle(clock, 5);
  }
  while (clock.now() < end) {
    clock.advance(Math.min(500, end - clock.now()));
    await settle(clock);
  }
};

class Receiving {
  readonly stores: ListedStore[] = [];
  readonly offered: SnapshotHeader[] = [];
  term = 1;
  commit = 0;
  /** The position in new stores, if it is not the announced one. */
  contains: LogPosition | undefined;
  /** Prepares a store that was just created. */
  prepare: (store: ListedStore) => void = () => undefined;
  readonly lines;
  readonly receiver: SnapshotReceiver;

  constructor(readonly clock: VirtualClock) {
    const { logger, lines } = recordingLogger();
    this.lines = lines;
    const newStores = {
      create: () => {
        const store = new ListedStore(this.contains ?? position(100));
        this.prepare(store);
        this.stores.push(store);
        return Promise.resolve(store);
      },
    };
    const node = {
      status: () => coreStatus({ term: term(this.term), commit: this.commit as LogIndex }),
      onSnapshotReceived: (announced: SnapshotHeader) => void this.offered.push(announced),
    };
    this.receiver = new SnapshotReceiver({ clock, logger, newStores }, node);
  }

  get states(): string[] {
    return this.stores.map(({ state }) => state);
  }

  errors(): string[] {
    return this.lines.flatMap(({ error, reason }) => [error, reason].filter((text) => typeof text === "string"));
  }
}

class Sending {
  rows = rowsOf(5_000);
  readonly snapshots: ListedRows[] = [];
  readonly ended: MemberId[] = [];
  /** Number of snapshots for which log entries are kept. */
  holds = 0;
  readonly lines;
  readonly sender: SnapshotSender;

  constructor(clock: VirtualClock, open: (to: MemberId) => Promise<SnapshotChannel>) {
    const { logger, lines } = recordingLogger();
    this.lines = lines;
    const store = {
      snapshot: () => {
        const snapshot = new ListedRows(this.rows, position(100));
        this.snapshots.push(snapshot);
        return snapshot;
      },
    };
    this.sender = new SnapshotSender(
      { clock, logger, store },
      { onSnapshotEnded: (peer) => void this.ended.push(peer) },
      { openSnapshot: open },
      { hold: () => this.holds++, release: () => this.holds-- },
    );
  }
}

/** Sets up a leader (member 1, of term 1) and a follower; `alter` changes the payloads between them. */
const pair = (alter?: Alter) => {
  const clock = new VirtualClock();
  const to = new Receiving(clock);
  const opened: SnapshotChannel[] = [];
  const from = new Sending(clock, () => {
    const [here, there] = memoryChannel(alter).ends;
    opened.push(here);
    to.receiver.accept(toMemberId(1n), there);
    return Promise.resolve(here);
  });
  return { clock, to, from, opened };
};

const messages = (lines: readonly { readonly msg: string }[]): string[] => lines.map(({ msg }) => msg);

test("a snapshot is received row by row, and installed once consensus accepts it", async () => {
  const { clock, to, from } = pair();
  from.sender.sendSnapshot(follower, term(1));
  await settle(clock);
  await pass(clock, 500);
  assert.deepEqual(to.offered, [{ from: 1n, leaderTerm: 1, position: position(100) }]);
  assert.deepEqual(to.states, ["finished"]);
  const text = (rows: readonly Row[]): string =>
    rows.map((row) => row.map((part) => Buffer.from(part).toString("hex")).join()).join();
  assert.ok(text(to.stores[0]?.rows ?? []) === text(from.rows));
  assert.deepEqual(from.ended, [], "not before it is in use");

  assert.equal((await to.receiver.install(position(100))).index, 100);
  await pass(clock, 6_000);
  assert.deepEqual(to.states, ["installed"]);
  assert.deepEqual(messages(to.lines), [
    "receiving database snapshot",
    "received and saved database snapshot",
    "applied snapshot",
  ]);
  assert.deepEqual(messages(from.lines), ["sending database snapshot", "sent database snapshot"]);
  assert.deepEqual(from.ended, [follower]);
  assert.ok(from.snapshots[0]?.closed);
  assert.equal(clock.pendingTimers, 1, "only what holds the log a little longer");
});

test("the log is kept from the start of a snapshot until the follower has caught up", async () => {
  const { clock, to, from } = pair();
  assert.equal(from.holds, 0);
  from.sender.sendSnapshot(follower, term(1));
  assert.equal(from.holds, 1);
  await pass(clock, 500);
  await to.receiver.install(position(100));
  await pass(clock, 29_000);
  assert.equal(from.holds, 1);
  await pass(clock, 2_000);
  assert.equal(from.holds, 0);
});

test("a channel cut at any message leaves nothing on either side, and the leader tries again", async () => {
  const messagesInAll = 7;
  for (let cutAt = 0; cutAt < messagesInAll; cutAt++) {
    let sent = 0;
    const { clock, to, from, opened } = pair((payload) => {
      if (sent++ !== cutAt) return payload;
      opened.at(-1)?.close("cut");
      return undefined;
    });
    from.sender.sendSnapshot(follower, term(1));
    await pass(clock, 500);
    assert.deepEqual(to.offered, [], `cut at ${cutAt}`);
    assert.ok(to.states.every((state) => state === "discarded"));
    assert.ok(from.snapshots.every(({ closed }) => closed));
    await pass(clock, 500);
    assert.deepEqual(from.ended, [follower], `cut at ${cutAt}`);
    assert.equal(from.holds, 0);

    from.sender.sendSnapshot(follower, term(1));
    await pass(clock, 500);
    assert.equal(to.offered.length, 1, `again after a cut at ${cutAt}`);
    assert.equal(sent, cutAt + 1 + messagesInAll);
  }
});

test("a flipped bit in any message is detected, and the log names it", async () => {
  const small = rowsOf(3, 5);
  const lengths: number[] = [];
  const whole = pair((payload) => (lengths.push(payload.length), payload));
  whole.from.rows = small;
  whole.from.sender.sendSnapshot(follower, term(1));
  await settle(whole.clock);
  assert.equal(whole.to.offered.length, 1);
  assert.equal(lengths.length, 3);

  for (const [message, length] of lengths.entries())
    for (const bit of everyNth(17, length * 8)) {
      let sent = 0;
      const { clock, to, from } = pair((payload) => {
        const altered = Buffer.from(payload);
        if (sent++ === message) altered[bit >> 3] = (altered[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        return altered;
      });
      from.rows = small;
      from.sender.sendSnapshot(follower, term(1));
      await settle(clock);
      assert.deepEqual(to.offered, [], `bit ${bit} of message ${message}`);
      assert.ok(to.states.every((state) => state === "discarded"));
      const [why = ""] = to.errors();
      assert.match(
        why,
        /wrong checksum: [0-9a-f]{8}, expected [0-9a-f]{8}|received \d+ of \d+ rows|unknown message|wrong length|out of range|not a snapshot|of term 0|older than term|cut short/,
      );
    }
});

test("snapshot receiver rejects a stream with a missing chunk", async () => {
  let sent = 0;
  const [here, there] = memoryChannel().ends;
  const clock = new VirtualClock();
  const to = new Receiving(clock);
  const from = new Sending(clock, () => {
    to.receiver.accept(toMemberId(1n), there);
    const send = here.send.bind(here);
    here.send = (payload) => (sent++ === 2 ? Promise.resolve() : send(payload));
    return Promise.resolve(here);
  });
  from.sender.sendSnapshot(follower, term(1));
  await pass(clock, 500);
  assert.deepEqual(to.offered, []);
  assert.match(to.errors()[0] ?? "", /chunk 2 has a wrong checksum/);
  assert.match(String(from.lines.at(-1)?.["error"]), /chunk 2 has a wrong checksum/, "the leader's log says it too");
});

test("snapshot receiver rejects a store with another position than the header's", async () => {
  const { clock, to, from } = pair();
  to.contains = position(99);
  from.sender.sendSnapshot(follower, term(1));
  await pass(clock, 500);
  assert.deepEqual(to.offered, []);
  assert.deepEqual(to.states, ["discarded"]);
  assert.match(to.errors()[0] ?? "", /contains the log up to entry 99 of term 1, not up to 100 of term 1 as announced/);
});

test("a slow receiver bounds the rows that the sender reads ahead", async () => {
  const { clock, to, from } = pair();
  from.rows = rowsOf(20_000);
  let go: () => void = () => undefined;
  to.prepare = (store) => {
    store.before = (step) => (step === "write" ? new Promise((resolve) => (go = resolve)) : Promise.resolve());
  };
  let read = 0;
  from.sender.sendSnapshot(follower, term(1));
  await settle(clock);
  const snapshot = from.snapshots[0]!;
  const next = snapshot.next.bind(snapshot);
  snapshot.next = async (maxBytes) => {
    const rows = await next(maxBytes);
    read += rows.length;
    return rows;
  };
  // The receiver sends keepalives, but its disk does not respond: nothing is read for minutes.
  await pass(clock, 120_000);
  assert.ok(read < 4_000, `${read} rows were read ahead`);
  for (let chunk = 0; chunk < 100; chunk++) {
    go();
    await settle(clock);
    await pass(clock, 10);
  }
  assert.equal(to.offered.length, 1);
  assert.equal(to.stores[0]?.rows.length, 20_000);
});

test("snapshot sender closes the channel of a receiver without progress for five minutes", async () => {
  const { clock, to, from } = pair();
  to.prepare = (store) => {
    store.before = (step) => (step === "write" ? new Promise(() => undefined) : Promise.resolve());
  };
  from.sender.sendSnapshot(follower, term(1));
  await pass(clock, 295_000);
  assert.deepEqual(from.ended, []);
  await pass(clock, 10_000);
  assert.match(String(from.lines.at(-1)?.["error"]), /receiver makes no progress/);
  assert.deepEqual(from.ended, [follower]);
});

test("both ends close a channel that goes silent", async () => {
  const { clock, to, from } = pair((payload) => (payload[0] === 3 ? undefined : payload)); // the last payload is lost
  let heard = true;
  from.sender.sendSnapshot(follower, term(1));
  await pass(clock, 9_000);
  assert.deepEqual(to.states, ["filling"]);
  await pass(clock, 3_000);
  assert.deepEqual(to.states, ["discarded"]);
  assert.match(to.errors()[0] ?? "", /sender timed out/);

  const other = new VirtualClock();
  const sending = new Sending(other, () => {
    const [here] = memoryChannel().ends; // the other end is not used
    heard = false;
    return Promise.resolve(here);
  });
  sending.sender.sendSnapshot(follower, term(1));
  await pass(other, 4_000);
  assert.equal(heard, false);
  assert.deepEqual(messages(sending.lines), ["sending database snapshot"]);
  await pass(other, 3_000);
  assert.match(String(sending.lines.at(-1)?.["error"]), /receiver timed out/);
});

test("snapshot receiver closes a channel without a header", async () => {
  const clock = new VirtualClock();
  const to = new Receiving(clock);
  const [, there] = memoryChannel().ends;
  to.receiver.accept(toMemberId(1n), there);
  await pass(clock, 12_000);
  assert.match(to.errors()[0] ?? "", /sender timed out/);
  assert.equal(clock.pendingTimers, 0);
});

// The leader and term of a snapshot.

const announceTo = (to: Receiving, from: MemberId, leaderTerm: number, rows = rowsOf(10)): Sending => {
  const sending = new Sending(to.clock, () => {
    const [here, there] = memoryChannel().ends;
    to.receiver.accept(from, there);
    return Promise.resolve(here);
  });
  sending.rows = rows;
  sending.sender.sendSnapshot(follower, term(leaderTerm));
  return sending;
};

test("snapshot receiver refuses a deposed leader's snapshot", async () => {
  const clock = new VirtualClock();
  const to = new Receiving(clock);
  to.term = 3;
  const from = announceTo(to, toMemberId(1n), 2);
  await settle(clock);
  assert.deepEqual([to.stores, to.offered], [[], []]);
  assert.match(String(from.lines.at(-1)?.["error"]), /term 2 is older than term 3/);
});

test("the newer of two leaders' snapshots is received, in either order, into one store at a time", async () => {
  for (const newerFirst of [false, true]) {
    const clock = new VirtualClock();
    const to = new Receiving(clock);
    let atOnce = 0;
    to.prepare = () =>
      assert.ok(to.states.filter((state) => state !== "discarded").length === 0, `${++atOnce} at once`);
    const older = newerFirst ? undefined : announceTo(to, toMemberId(1n), 2, rowsOf(50_000));
    await settle(clock);
    const newer = announceTo(to, toMemberId(3n), 3, rowsOf(50_000));
    await settle(clock);
    const late = newerFirst ? announceTo(to, toMemberId(1n), 2, rowsOf(10)) : undefined;
    await settle(clock);
    await pass(clock, 2_000);
    assert.deepEqual(
      to.offered.map(({ from }) => from),
      [3n],
    );
    assert.equal(to.states.at(-1), "finished");
    if (older)
      assert.match(String(older.lines.at(-1)?.["error"]), /superseded by another snapshot|closed by the other side/);
    if (late)
      assert.match(String(late.lines.at(-1)?.["error"]), /a snapshot of the leader of term 3 is being received/);
    assert.deepEqual(messages(newer.lines), ["sending database snapshot"]);
  }
});

test("a leader's later snapshot replaces its former one", async () => {
  const clock = new VirtualClock();
  const to = new Receiving(clock);
  announceTo(to, toMemberId(1n), 2, rowsOf(50_000));
  await settle(clock);
  announceTo(to, toMemberId(1n), 2);
  await pass(clock, 1_000);
  assert.deepEqual(to.states, ["discarded", "finished"]);
  assert.equal(to.offered.length, 1);
});

test("a snapshot that is being installed is not replaced", async () => {
  const clock = new VirtualClock();
  const to = new Receiving(clock);
  announceTo(to, toMemberId(1n), 2);
  await pass(clock, 500);
  const late = announceTo(to, toMemberId(3n), 3);
  await pass(clock, 500);
  assert.match(String(late.lines.at(-1)?.["error"]), /another snapshot is being installed/);
  await to.receiver.install(position(100));
  await pass(clock, 500);
  assert.deepEqual(to.states, ["installed"]);
});

test("a new term ends the snapshot of the former leader", async () => {
  const clock = new VirtualClock();
  const to = new Receiving(clock);
  announceTo(to, toMemberId(1n), 2, rowsOf(50_000));
  await settle(clock);
  to.receiver.onStatusChange({ term: term(2) });
  await settle(clock);
  assert.deepEqual(to.states, ["filling"]);
  to.receiver.onStatusChange({ term: term(3) });
  await pass(clock, 500);
  assert.deepEqual(to.states, ["discarded"]);
});

test("a leader that is deposed, or leads another term, stops its snapshots", async () => {
  for (const status of [{ role: "follower", term: term(1) } as const, { role: "leader", term: term(2) } as const]) {
    const { clock, to, from } = pair();
    from.rows = rowsOf(50_000);
    from.sender.sendSnapshot(follower, term(1));
    await settle(clock);
    from.sender.onStatusChange({ role: "leader", term: term(1) });
    await settle(clock);
    assert.deepEqual(to.states, ["filling"]);
    from.sender.onStatusChange(status);
    await pass(clock, 500);
    assert.deepEqual(to.states, ["discarded"]);
    assert.deepEqual(from.ended, [follower]);
  }
});

test("a snapshot at or before the commit index is refused, and consensus acknowledges to the leader", async () => {
  const clock = new VirtualClock();
  const to = new Receiving(clock);
  to.commit = 100;
  const from = announceTo(to, toMemberId(1n), 2);
  await settle(clock);
  assert.deepEqual(to.stores, []);
  assert.deepEqual(
    to.offered.map(({ leaderTerm }) => leaderTerm),
    [2],
  );
  to.receiver.discard(position(100));
  assert.match(String(from.lines.at(-1)?.["error"]), /the log is committed up to entry 100/);
});

test("a snapshot that consensus refuses is removed, and the leader gets the reason", async () => {
  const { clock, to, from } = pair();
  from.sender.sendSnapshot(follower, term(1));
  await pass(clock, 500);
  to.receiver.discard(position(100));
  await pass(clock, 500);
  assert.deepEqual(to.states, ["discarded"]);
  assert.match(String(from.lines.at(-1)?.["error"]), /not newer than the log/);
});

// Failures of this member.

test("a disk error ends the snapshot and is logged on both sides", async () => {
  for (const failing of ["write", "finish"] as const) {
    const { clock, to, from } = pair();
    to.prepare = (store) => {
      store.before = (step) => (step === failing ? Promise.reject(new Error("no space left")) : Promise.resolve());
    };
    from.sender.sendSnapshot(follower, term(1));
    await pass(clock, 1_000);
    assert.deepEqual(to.states, ["discarded"]);
    assert.match(to.errors()[0] ?? "", /no space left/);
    assert.match(String(from.lines.at(-1)?.["error"]), /no space left/);
    assert.deepEqual(from.ended, [follower]);
  }
});

test("a failed installation leaves both stores to the next start", async () => {
  const { clock, to, from } = pair();
  to.prepare = (store) => {
    store.before = (step) => (step === "install" ? Promise.reject(new Error("EIO")) : Promise.resolve());
  };
  from.sender.sendSnapshot(follower, term(1));
  await pass(clock, 500);
  await assert.rejects(to.receiver.install(position(100)), /EIO/);
  await pass(clock, 500);
  assert.deepEqual(to.states, ["finished"], "not removed");
});

test("retries back off up to two seconds, one snapshot at a time", async () => {
  const clock = new VirtualClock();
  let attempts = 0;
  const sending = new Sending(clock, () => {
    attempts++;
    return Promise.reject(new ChannelClosedError("peer is unreachable"));
  });
  const pauses: number[] = [];
  for (let attempt = 0; attempt < 6; attempt++) {
    sending.sender.sendSnapshot(follower, term(1));
    sending.sender.sendSnapshot(follower, term(1));
    await settle(clock);
    const before = clock.now();
    while (sending.ended.length === attempt) await pass(clock, 50);
    pauses.push(clock.now() - before);
  }
  assert.equal(attempts, 6);
  assert.deepEqual(pauses, [250, 500, 1_000, 2_000, 2_000, 2_000]);
});

test("a new link skips the delay before a retry", async () => {
  const clock = new VirtualClock();
  const sending = new Sending(clock, () => Promise.reject(new ChannelClosedError("peer is unreachable")));
  for (let attempt = 0; attempt < 6; attempt++) {
    sending.sender.sendSnapshot(follower, term(1));
    await settle(clock);
    assert.equal(sending.ended.length, attempt);
    sending.sender.onReachable(follower);
    sending.sender.onReachable(follower);
    assert.equal(sending.ended.length, attempt + 1);
  }
  await pass(clock, 5_000);
  assert.equal(sending.ended.length, 6);
  assert.equal(clock.pendingTimers, 0);
});

test("stop ends snapshots at both ends, except one being installed", async () => {
  const receiving = pair();
  receiving.from.rows = rowsOf(50_000);
  receiving.from.sender.sendSnapshot(follower, term(1));
  await settle(receiving.clock);
  await receiving.to.receiver.close();
  assert.deepEqual(receiving.to.states, ["discarded"]);

  const sending = pair();
  sending.from.rows = rowsOf(50_000);
  sending.from.sender.sendSnapshot(follower, term(1));
  await settle(sending.clock);
  sending.from.sender.stop();
  await pass(sending.clock, 20);
  assert.ok(sending.from.snapshots.every(({ closed }) => closed));
  assert.deepEqual(sending.from.ended, []);

  const installing = pair();
  let finish: () => void = () => undefined;
  installing.to.prepare = (store) => {
    store.before = (step) => (step === "install" ? new Promise((resolve) => (finish = resolve)) : Promise.resolve());
  };
  installing.from.sender.sendSnapshot(follower, term(1));
  await pass(installing.clock, 500);
  const installed = installing.to.receiver.install(position(100));
  const closed = installing.to.receiver.close();
  await settle(installing.clock);
  finish();
  await installed;
  await closed;
  assert.deepEqual(installing.to.states, ["installed"]);
});

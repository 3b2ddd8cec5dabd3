import {
  decodeMarker,
  readAppliedState,
  writeAppliedState,
  type AppliedState,
} from "../../../../server/replication/apply/applied-state.js";
import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import {
  AlarmRequest_AlarmAction as Action,
  AlarmType,
  DeleteRangeRequest,
  Member,
  Proposal,
  PutRequest,
  type RequestOp,
  SeenProposals as SeenProposalsRow,
  type TxnRequest,
} from "../../../../proto/index.js";
import {
  Configuration,
  type Entry,
  type LogIndex,
  type LogPosition,
  type MemberId,
  type Term,
} from "../../../../raft/index.js";
import {
  DamagedError,
  KeyNotFoundError,
  LeaseExistsError,
  openMemoryBackend,
  openStore,
  type KvStore,
  type Lease,
  type RoundState,
  type TableRow,
} from "../../../../store/index.js";
import { AuthState } from "../../../../server/auth/auth-state.js";
import { SimpleTokens } from "../../../../server/auth/simple-tokens.js";
import { Alarms } from "../../../../server/replication/apply/alarms.js";
import { Applier, maxWorkPerRound, type LogCompactor } from "../../../../server/replication/apply/applier.js";
import type { ServerError } from "../../../../server/base/errors.js";
import type { CommandResults } from "../../../../server/replication/apply/commands/commands.js";
import { Membership } from "../../../../server/replication/apply/membership.js";
import type { Command } from "../../../../server/replication/command.js";
import { Proposals } from "../../../../server/replication/proposals.js";
import { SeenProposals } from "../../../../server/replication/apply/seen-proposals.js";
import { VirtualClock } from "../../../../testing/virtual-clock.js";
import { toLeaseId, toMemberId } from "../../../../testing/ids.js";

const self = { member: toMemberId(0x11n), incarnation: 2 };

const openMemoryStore = async (t: TestContext): Promise<KvStore> => {
  const store = await openStore({
    backend: await openMemoryBackend(),
    clock: {
      now: () => 0,
      setTimeout,
      clearTimeout: (timer) => clearTimeout(timer as NodeJS.Timeout),
      soon: (callback) => void setImmediate(callback),
    },
    onFailure: (error) => assert.fail(error),
  });
  t.after(() => store.close());
  return store;
};

const freshState = (): AppliedState => ({
  index: 0 as LogIndex,
  term: 0 as Term,
  membership: new Membership([
    { ID: 0x22n, name: "", peerURLs: ["http://b:2380"], clientURLs: [], isLearner: false },
    { ID: 0x11n, name: "", peerURLs: ["http://a:2380"], clientURLs: [], isLearner: false },
  ]),
  seen: new SeenProposals(),
  alarms: new Alarms(),
  auth: new AuthState(),
});

/** The functions of other components that an applier calls. */
interface ApplierCalls {
  readonly soon: (callback: () => void) => void;
  readonly onApplied: LogCompactor["onEntriesApplied"];
  readonly install: LogCompactor["install"];
  readonly onFailure: (error: Error) => void;
}

const noSnapshots: ApplierCalls = {
  soon: () => assert.fail("more than one round"),
  onApplied: () => undefined,
  install: () => assert.fail("a snapshot"),
  onFailure: (error) => assert.fail(error),
};

interface Copy {
  readonly store: KvStore;
  readonly applier: Applier;
  readonly proposals: Proposals<CommandResults>;
  readonly answers: Map<string, unknown>;
  /** Markers of all rounds. */
  readonly markers: Uint8Array[];
  /** Calls of the lease listener. */
  readonly leases: readonly string[];
}

/** Opens one member's state; proposals 1, 2 and 3 of this incarnation have handlers. */
const open = async (
  t: TestContext,
  state = freshState(),
  kept?: KvStore,
  listening: Partial<ApplierCalls> = {},
): Promise<Copy> => {
  const store = kept ?? (await openMemoryStore(t));
  if (kept === undefined) writeAppliedState(store, state);
  const markers: Uint8Array[] = [];
  const endRound = store.endRound.bind(store);
  store.endRound = (state) => {
    markers.push(state.marker());
    endRound(state);
  };
  const clock = new VirtualClock();
  const proposals = new Proposals<CommandResults>(
    { ...self, timeoutMs: 7_000, maxRequestBytes: 1_000_000, clock },
    { propose: () => undefined },
    { shortage: undefined },
  );
  const leases: string[] = [];
  const listener = {
    onGranted: ({ id }: Lease) => void leases.push(`granted ${id}`),
    onRevoked: (id: bigint) => void leases.push(`revoked ${id}`),
    onTermApplied: () => undefined,
  };
  const answers = new Map<string, unknown>();
  for (const name of ["first", "second", "third"])
    proposals.propose(put(name), {
      onResult: (result) => answers.set(name, result),
      onError: (error) => answers.set(name, error),
    });
  const doings = { ...noSnapshots, ...listening };
  return {
    store,
    applier: new Applier(store, state, self, {
      proposals,
      leases: listener,
      snapshots: { onEntriesApplied: doings.onApplied, install: doings.install },
      tokens: new SimpleTokens({ ttlMs: 1_000, clock }, () => 0),
      clock: { now: () => 0, soon: doings.soon },
      listener: { onFailure: doings.onFailure },
    }),
    proposals,
    answers,
    markers,
    leases,
  };
};

interface PutOptions {
  readonly ignoreValue?: boolean;
  readonly lease?: bigint;
}

const putRequest = (key: string, options: PutOptions = {}): PutRequest =>
  PutRequest.create({ key: Buffer.from(key), ...options });

const put = (key: string, options: PutOptions = {}): Command => ({ $case: "put", value: putRequest(key, options) });

/** Returns an entry with a proposal of `member`. */
const entry = (
  index: number,
  command: Command,
  {
    member = self.member,
    incarnation = self.incarnation,
    sequence = index,
    floor = 1,
    user = "",
    authRevision = 0n,
  } = {},
): Entry => ({
  kind: "command",
  index: index as LogIndex,
  term: 2 as Term,
  data: Proposal.encode({
    member,
    incarnation: BigInt(incarnation),
    sequence: BigInt(sequence),
    floor: BigInt(floor),
    user,
    authRevision,
    command,
  }).finish(),
});

const apply = (copy: Copy, ...entries: Entry[]): void => copy.applier.apply(entries, () => undefined);

test("each proposal is applied once, and its client gets the result of the first copy", async (t) => {
  const copy = await open(t);
  apply(copy, entry(1, put("a"), { sequence: 1 }), entry(2, put("a"), { sequence: 1 }));
  apply(copy, entry(3, put("a"), { sequence: 1 }));
  assert.equal(copy.store.revision, 2);
  const answer = copy.answers.get("first") as CommandResults["put"];
  assert.equal(answer.revision, 2);
  assert.equal(copy.applier.appliedIndex, 3);
});

test("an applied proposal of another member, or of a former incarnation, is not reported on this member", async (t) => {
  const copy = await open(t);
  apply(
    copy,
    entry(1, put("a"), { member: toMemberId(0x22n), sequence: 1 }),
    entry(2, put("b"), { incarnation: 1, sequence: 2 }),
  );
  assert.equal(copy.store.revision, 3);
  assert.equal(copy.answers.size, 0);
});

test("a command that fails is answered with the same error on every member, and the next entry is applied", async (t) => {
  const copy = await open(t);
  apply(copy, entry(1, put("missing", { ignoreValue: true })), entry(2, put("b")));
  assert.ok(copy.answers.get("first") instanceof KeyNotFoundError);
  assert.equal(copy.store.revision, 2);
});

test("an expiry revokes a lease only in the term of its leader, and only the lease that it was proposed for", async (t) => {
  const copy = await open(t);
  const grant: Command = { $case: "leaseGrant", value: { ID: 7n, TTL: 5n } };
  const expiry = (term: bigint, generation: bigint): Command => ({
    $case: "leaseExpiry",
    value: { term, leases: [{ id: 7n, generation }] },
  });
  apply(copy, entry(1, grant), entry(2, put("k", { lease: 7n })), entry(3, grant)); // the second put is refused
  assert.ok(copy.answers.get("third") instanceof LeaseExistsError);
  assert.deepEqual(copy.leases, ["granted 7"]);
  apply(copy, entry(4, expiry(1n, 1n)), entry(5, expiry(3n, 1n)), entry(6, expiry(2n, 3n)));
  assert.deepEqual([copy.store.leaseKeyCount(toLeaseId(7n)), copy.store.revision], [1, 2]);
  apply(copy, entry(7, expiry(2n, 1n)), entry(8, expiry(2n, 1n)));
  assert.deepEqual([copy.store.lease(toLeaseId(7n)), copy.store.revision], [undefined, 3]);
  apply(copy, entry(9, grant), entry(10, { $case: "leaseRevoke", value: { ID: 7n } }));
  assert.deepEqual(copy.leases, ["granted 7", "revoked 7", "granted 7", "revoked 7"]);
});

const alarm = (action: Action, type: AlarmType, memberID = 1n): Command => ({
  $case: "alarm",
  value: { action, memberID, alarm: type },
});

test("an active alarm refuses the same commands as in etcd, and survives a restart until it is deactivated", async (t) => {
  const copy = await open(t);
  const grant: Command = { $case: "leaseGrant", value: { ID: 7n, TTL: 5n } };
  const remove: Command = {
    $case: "deleteRange",
    value: { key: Buffer.from("a"), rangeEnd: new Uint8Array(), prevKv: false },
  };
  apply(copy, entry(1, put("a")), entry(2, alarm(Action.ACTIVATE, AlarmType.NOSPACE)), entry(3, grant));
  assert.deepEqual((copy.answers.get("second") as CommandResults["alarm"]).alarms, [
    { memberID: 1n, alarm: AlarmType.NOSPACE },
  ]);
  assert.equal((copy.answers.get("third") as ServerError).code, "no-space");
  apply(copy, entry(4, put("b")), entry(5, remove));
  assert.equal(copy.store.revision, 3, "the delete passes, the put does not");

  await copy.store.flush();
  const restarted = readAppliedState(copy.markers.at(-1)!, copy.store);
  assert.deepEqual(restarted.alarms.all, copy.applier.alarms.all);
  apply(copy, entry(6, alarm(Action.DEACTIVATE, AlarmType.NOSPACE)), entry(7, put("c")));
  assert.equal(copy.store.revision, 4);
  await copy.store.flush();
  assert.deepEqual(readAppliedState(copy.markers.at(-1)!, copy.store).alarms.all, []);
});

test("under the alarm NOSPACE a transaction with a put in any branch and depth is refused; others are not", async (t) => {
  const copy = await open(t);
  const putOf = (key: string): RequestOp => ({ request: { $case: "requestPut", value: putRequest(key) } });
  const remove: RequestOp = {
    request: { $case: "requestDeleteRange", value: DeleteRangeRequest.create({ key: Buffer.from("a") }) },
  };
  const txn = (success: RequestOp[], failure: RequestOp[] = []): TxnRequest => ({ compare: [], success, failure });
  const nestedOp = (request: TxnRequest): RequestOp => ({ request: { $case: "requestTxn", value: request } });
  const run = (index: number, value: TxnRequest): number => {
    apply(copy, entry(index, { $case: "txn", value }));
    return copy.store.revision;
  };
  apply(copy, entry(1, put("a")), entry(2, alarm(Action.ACTIVATE, AlarmType.NOSPACE)));
  const mayPut = [txn([putOf("b")]), txn([remove], [putOf("b")]), txn([remove, nestedOp(txn([], [putOf("b")]))])];
  for (const [n, request] of mayPut.entries()) assert.equal(run(n + 3, request), 2);
  assert.equal(run(9, txn([remove], [nestedOp(txn([remove]))])), 3);
});

test("under the alarm CORRUPT every change is refused, expiries included, until it is deactivated", async (t) => {
  const copy = await open(t);
  const grant: Command = { $case: "leaseGrant", value: { ID: 7n, TTL: 5n } };
  const expiry: Command = { $case: "leaseExpiry", value: { term: 2n, leases: [{ id: 7n, generation: 1n }] } };
  const compact: Command = { $case: "compact", value: { revision: 1n, physical: false } };
  apply(copy, entry(1, grant), entry(2, alarm(Action.ACTIVATE, AlarmType.CORRUPT)), entry(3, put("a")));
  assert.equal((copy.answers.get("third") as ServerError).code, "corrupt");
  apply(copy, entry(4, expiry), entry(5, compact));
  assert.equal(copy.store.compactRevision, -1);
  assert.notEqual(copy.store.lease(toLeaseId(7n)), undefined);
  apply(copy, entry(6, alarm(Action.DEACTIVATE, AlarmType.CORRUPT)), entry(7, expiry));
  assert.equal(copy.store.lease(toLeaseId(7n)), undefined);
});

test("a checkpoint counts only in its term and for its lease, until it is withdrawn", async (t) => {
  const copy = await open(t);
  const grant: Command = { $case: "leaseGrant", value: { ID: 7n, TTL: 600n } };
  const checkpoint = (term: bigint, generation: bigint, seconds: bigint): Command => ({
    $case: "leaseCheckpoint",
    value: { term, leases: [{ id: 7n, generation, seconds }] },
  });
  const remainingSeconds = () => copy.store.lease(toLeaseId(7n))?.remainingSeconds;
  apply(copy, entry(1, grant), entry(2, checkpoint(1n, 1n, 300n)), entry(3, checkpoint(2n, 9n, 300n)));
  assert.equal(remainingSeconds(), undefined);
  apply(copy, entry(4, put("k", { lease: 7n })), entry(5, checkpoint(2n, 1n, 300n)));
  assert.equal(remainingSeconds(), 300);
  assert.equal(copy.store.leaseKeyCount(toLeaseId(7n)), 1);
  apply(copy, entry(6, checkpoint(2n, 1n, 0n)));
  assert.equal(remainingSeconds(), undefined);
});

test("a failure of this member alone stops the member, and is not a result", async (t) => {
  const copy = await open(t);
  copy.store.put = () => {
    throw new DamagedError("here", "bit rot");
  };
  assert.throws(() => apply(copy, entry(1, put("a"))), DamagedError);
  assert.equal(copy.answers.size, 0);
  assert.equal(copy.markers.length, 0); // the round would not count as applied without a marker
});

test("an exception in a result handler does not undo the applied entry", async (t) => {
  const copy = await open(t);
  copy.proposals.settleProposal = () => {
    throw new KeyNotFoundError("thrown by whoever answers");
  };
  assert.throws(() => apply(copy, entry(1, put("a"))), KeyNotFoundError);
  assert.equal(copy.answers.size, 0);
});

test("a configuration entry changes the members, and those that stay keep what they published", async (t) => {
  const copy = await open(t);
  const [a, b, c] = [0x11n, 0x22n, 0x33n].map(toMemberId) as [MemberId, MemberId, MemberId];
  apply(copy, entry(1, { $case: "publish", value: { member: a, name: "a", clientUrls: ["http://a:2379"] } }));
  const configuration = new Configuration([
    { id: a, isLearner: false, addresses: ["http://moved:2380"] },
    { id: c, isLearner: true, addresses: ["http://c:2380"] },
  ]);
  apply(copy, { kind: "configuration", index: 2 as LogIndex, term: 2 as Term, configuration });
  assert.deepEqual(copy.applier.members.all, [
    { ID: a, name: "a", peerURLs: ["http://moved:2380"], clientURLs: ["http://a:2379"], isLearner: false },
    { ID: c, name: "", peerURLs: ["http://c:2380"], clientURLs: [], isLearner: true },
  ]);
  assert.ok(copy.applier.members.configuration.isEqual(configuration));
  assert.ok(!copy.applier.members.configuration.isVoter(b));
});

test("a leader's empty entry advances the applied index, and changes nothing", async (t) => {
  const copy = await open(t);
  apply(copy, { kind: "empty", index: 1 as LogIndex, term: 5 as Term });
  assert.equal(copy.store.revision, 1);
  const { index, term } = decodeMarker(copy.markers.at(-1) ?? assert.fail());
  assert.deepEqual([index, term], [1, 5]);
});

test("a proposal seen before a restart is skipped after it, from the marker and the tables", async (t) => {
  const before = await open(t);
  apply(
    before,
    entry(1, { $case: "publish", value: { member: 0x22n, name: "b", clientUrls: ["http://b:2379"] } }, { sequence: 1 }),
    entry(2, put("a"), { sequence: 3 }),
  );
  await before.store.flush();
  const state = readAppliedState(before.markers.at(-1) ?? assert.fail(), before.store);
  assert.deepEqual([state.index, state.term], [2, 2]);
  assert.deepEqual(
    state.membership.all.map(({ ID, name, clientURLs }) => [ID, name, clientURLs]),
    [
      [0x11n, "", []],
      [0x22n, "b", ["http://b:2379"]],
    ],
  );
  const after = await open(t, state, before.store);
  apply(after, entry(3, put("a"), { sequence: 3 }), entry(4, put("a"), { sequence: 2 }));
  assert.equal(after.store.revision, 3); // proposal 3 was applied before, 2 was not
});

test("two members that apply the same log, in whatever rounds, store the same bytes", async (t) => {
  const commands: Command[] = [
    put("a"),
    put("b"),
    put("missing", { ignoreValue: true }),
    { $case: "deleteRange", value: { key: Buffer.from("a"), rangeEnd: new Uint8Array(), prevKv: false } },
    { $case: "compact", value: { revision: 3n, physical: false } },
    { $case: "publish", value: { member: 0x11n, name: "a", clientUrls: [] } },
  ];
  const log = Array.from({ length: 60 }, (_, n) =>
    entry(n + 1, commands[n % commands.length] ?? assert.fail(), {
      member: toMemberId(n % 3 === 0 ? 0x22n : 0x11n),
      sequence: 1 + (n % 20),
      floor: 1 + (n % 5),
    }),
  );
  const [one, other] = [await open(t), await open(t)];
  for (const each of log) apply(one, each);
  for (let at = 0; at < log.length; at += 7) apply(other, ...log.slice(at, at + 7));
  assert.deepEqual(one.markers.at(-1), other.markers.at(-1));
  for (const { store } of [one, other]) await store.flush();
  for (const table of ["members", "proposals"]) assert.deepEqual(one.store.table(table), other.store.table(table));
  assert.deepEqual(await one.store.hashKv(0), await other.store.hashKv(0));
});

test("the state at the end of a round stays as it was, whatever is applied later", async (t) => {
  const copy = await open(t);
  const states: RoundState[] = [];
  const endRound = copy.store.endRound.bind(copy.store);
  copy.store.endRound = (state) => {
    states.push(state);
    endRound(state);
  };
  const showState = (state: RoundState): string[] =>
    state
      .rowLists()
      .flat()
      .map(({ table, key, row }) => {
        const id = Buffer.from(key, "latin1").readBigUInt64BE();
        if (table === "members") return `${id}: ${Member.decode(row).name}`;
        const { incarnation, floor, bitmap } = SeenProposalsRow.decode(row);
        return `${id}: ${incarnation} ${floor} ${Buffer.from(bitmap).toString("hex")}`;
      });
  const expected: string[][] = [];
  const step = (...entries: readonly Entry[]): void => {
    apply(copy, ...entries);
    expected.push(showState(states.at(-1)!));
  };
  step({ kind: "empty", index: 1 as LogIndex, term: 2 as Term });
  step(entry(2, put("a"), { sequence: 1 }), entry(3, put("b"), { sequence: 3 }));
  step(entry(4, put("c"), { sequence: 2 }));
  step(entry(5, { $case: "publish", value: { member: 0x22n, name: "b", clientUrls: [] } }, { sequence: 4, floor: 4 }));
  const without = new Configuration([{ id: toMemberId(0x11n), isLearner: false, addresses: ["http://a:2380"] }]);
  step({ kind: "configuration", index: 6 as LogIndex, term: 2 as Term, configuration: without });
  step(entry(7, put("d"), { incarnation: 3, sequence: 1, member: toMemberId(0x22n) }));
  assert.deepEqual(expected, [
    ["17: ", "34: "],
    ["17: ", "34: ", "17: 2 1 05"],
    ["17: ", "34: ", "17: 2 1 07"],
    ["17: ", "34: b", "17: 2 4 01"],
    ["17: ", "17: 2 4 01"],
    ["17: ", "17: 2 4 01", "34: 3 1 01"],
  ]);
  assert.deepEqual(states.map(showState), expected);
  assert.deepEqual(
    states.map((state) => decodeMarker(state.marker()).index),
    [1, 3, 4, 5, 6, 7],
  );
  await copy.store.flush();
  assert.deepEqual(
    [...copy.store.table("members").keys()].map((key) => key.charCodeAt(7)),
    [0x11],
  );
});

test("tables that the applier did not write are damage", () => {
  const member: TableRow = {
    table: "members",
    key: "\0\0\0\0\0\0\0\x11",
    row: Member.encode({ ID: 0x11n, name: "", peerURLs: [], clientURLs: [], isLearner: false }).finish(),
  };
  const readFrom =
    (...rows: readonly TableRow[]) =>
    (): unknown =>
      readAppliedState(new Uint8Array(), {
        table: (name) => new Map(rows.filter(({ table }) => table === name).map(({ key, row }) => [key, row])),
      });
  assert.doesNotThrow(readFrom(member));
  assert.throws(
    readFrom(member, { table: "proposals", key: "short", row: new Uint8Array() }),
    /table proposals: a row's key is not the id of a member/,
  );
  assert.throws(readFrom({ ...member, key: "\0\0\0\0\0\0\0\x33" }), /row 51 of table members: it is of member 17/);
  assert.throws(readFrom(), /table members: it lists no voter/);
});

test("a wait for an index ends once it is applied, at once if it already is", async (t) => {
  const copy = await open(t);
  const called: number[] = [];
  for (const index of [0, 1, 2, 4]) copy.applier.callWhenApplied(index as LogIndex, () => called.push(index));
  assert.deepEqual(called, [0]);
  apply(copy, entry(1, put("a")), entry(2, put("b")), entry(3, put("c")));
  assert.deepEqual(called, [0, 1, 2]);
  apply(copy, entry(4, put("d")));
  assert.deepEqual(called, [0, 1, 2, 4]);
});

test("apply does not complete while the store's writes are behind, nor after a stop", async (t) => {
  const copy = await open(t);
  let onDrained: () => void = () => assert.fail("nobody waits");
  Object.defineProperty(copy.store, "isFull", { get: () => true });
  copy.store.callWhenDrained = (callback) => (onDrained = callback);
  let done = 0;
  copy.applier.apply([entry(1, put("a"))], () => done++);
  assert.equal(done, 0);
  onDrained();
  assert.equal(done, 1);
  copy.applier.apply([entry(2, put("b"))], () => done++);
  copy.applier.stop();
  onDrained();
  assert.equal(done, 1);
});

/** Returns the state of another member: the first proposal of this member is applied, and a member has published its name. */
const stateToSend = (): AppliedState => {
  const seen = new SeenProposals();
  seen.admit({ ...self, sequence: 1, floor: 1 });
  const membership = new Membership(freshState().membership.all);
  membership.publish(toMemberId(0x22n), { name: "b", clientURLs: [] });
  return { index: 50 as LogIndex, term: 4 as Term, membership, seen, alarms: new Alarms(), auth: new AuthState() };
};

test("a snapshot replaces the applied state, and waiting requests for its entries are answered as far as the outcome is known", async (t) => {
  const asked: LogPosition[] = [];
  const install = (position: LogPosition): Promise<AppliedState> => {
    asked.push(position);
    return Promise.resolve(stateToSend());
  };
  const copy = await open(t, freshState(), undefined, { install });
  const called: number[] = [];
  for (const index of [50, 51]) copy.applier.callWhenApplied(index as LogIndex, () => called.push(index));
  const configuration = await new Promise<Configuration>((done) =>
    copy.applier.install({ index: 50 as LogIndex, term: 4 as Term }, done),
  );
  assert.deepEqual(configuration.voters, [0x11n, 0x22n]);
  assert.deepEqual(asked, [{ index: 50, term: 4 }]);
  assert.equal(copy.applier.appliedIndex, 50);
  assert.deepEqual(called, [50]);
  assert.deepEqual(
    copy.applier.members.all.map(({ name }) => name),
    ["", "b"],
  );
  // The first proposal has its result already; the others are applied later, once each.
  assert.deepEqual([...copy.answers.keys()], ["first"]);
  assert.equal((copy.answers.get("first") as ServerError).code, "connection-lost");
  apply(copy, entry(51, put("again"), { sequence: 1 }), entry(52, put("second"), { sequence: 2 }));
  assert.deepEqual([...copy.answers.keys()], ["first", "second"]);
  assert.equal(copy.store.revision, 2, "the repeat was skipped");
  const { index, term } = decodeMarker(copy.markers.at(-1)!);
  assert.deepEqual([index, term], [52, 2]);
});

test("a snapshot replaces alarms and users, and ends the tokens of users that it does not have", async (t) => {
  const user = (name: string) => ({
    ...{ name: Buffer.from(name), password: Buffer.from("hash"), roles: ["root"], options: { noPassword: false } },
  });
  const stateWith = (...names: string[]): AuthState =>
    new AuthState({ status: { enabled: true, revision: 9n }, users: names.map(user), roles: [] });
  const alarms = new Alarms([{ memberID: 0x22n, alarm: AlarmType.NOSPACE }]);
  const install = (): Promise<AppliedState> =>
    Promise.resolve({ ...stateToSend(), alarms, auth: stateWith("root", "bob") });
  const state = { ...freshState(), auth: stateWith("root", "ann", "bob") };
  const copy = await open(t, state, undefined, { install });
  const { tokens } = copy.applier;
  const ann = await tokens.assign("ann", 9n, "ann", 1 as LogIndex);
  const bob = await tokens.assign("bob", 9n, "bob", 1 as LogIndex);
  let calls = 0;
  copy.applier.addAuthListener(() => calls++);
  await new Promise((done) => copy.applier.install({ index: 50 as LogIndex, term: 4 as Term }, done));
  assert.equal(await tokens.verify(ann, 9n), undefined);
  assert.deepEqual(await tokens.verify(bob, 9n), { name: "bob", revision: 9n });
  assert.equal(calls, 1, "each listener for changes is called");
  assert.deepEqual(copy.applier.alarms.all, alarms.all);
});

test("a snapshot that cannot be installed stops the member; after a stop nothing is reported", async (t) => {
  const failures: Error[] = [];
  const failing = await open(t, freshState(), undefined, {
    install: () => Promise.reject(new Error("EIO")),
    onFailure: (error) => failures.push(error),
  });
  const at = { index: 50 as LogIndex, term: 4 as Term };
  failing.applier.install(at, () => assert.fail("done"));
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(
    failures.map(({ message }) => message),
    ["EIO"],
  );

  const stopping = await open(t, freshState(), undefined, { install: () => Promise.resolve(stateToSend()) });
  stopping.applier.install(at, () => assert.fail("done"));
  stopping.applier.stop();
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(stopping.applier.appliedIndex, 0);
});

test("the listener is notified of entries once their round has ended", async (t) => {
  const heard: [entries: number, rounds: number][] = [];
  const copy: Copy = await open(t, freshState(), undefined, {
    onApplied: (entries) => heard.push([entries.length, copy.markers.length]),
  });
  apply(copy, entry(1, put("a")), entry(2, put("b")));
  apply(copy, entry(3, put("c")));
  assert.deepEqual(heard, [
    [2, 1],
    [1, 2],
  ]);
});

/** Opens a state whose turns pass when the test says. `rounds` has the sizes of the rounds applied. */
const openInTurns = async (t: TestContext, listening: Partial<ApplierCalls> = {}) => {
  const turns: (() => void)[] = [];
  const rounds: number[] = [];
  const copy: Copy = await open(t, freshState(), undefined, {
    soon: (callback) => turns.push(callback),
    onApplied: (entries) => rounds.push(entries.length),
    ...listening,
  });
  return { copy, rounds, turns };
};

test("many entries that are ready together are applied in bounded rounds, with other work between them", async (t) => {
  const { copy, rounds, turns } = await openInTurns(t);
  const puts = Array.from({ length: maxWorkPerRound }, (_, n) => entry(n + 1, put(`${n}`)));
  const called: number[] = [];
  for (const index of [1, maxWorkPerRound]) copy.applier.callWhenApplied(index as LogIndex, () => called.push(index));
  let done = 0;
  copy.applier.apply(puts, () => done++);
  // A put counts twice: as an entry and as a revision.
  assert.deepEqual([rounds, copy.markers.length, called, done], [[maxWorkPerRound / 2], 1, [1], 0]);
  assert.equal(decodeMarker(copy.markers.at(-1)!).index, maxWorkPerRound / 2);
  turns.shift()?.();
  assert.deepEqual([rounds.length, called, done, turns.length], [2, [1, maxWorkPerRound], 1, 0]);
  assert.equal(copy.store.revision, 1 + maxWorkPerRound);
});

test("an entry that ends many leases fills a round", async (t) => {
  const { copy, rounds, turns } = await openInTurns(t);
  const ids = Array.from({ length: 3 * maxWorkPerRound }, (_, n) => BigInt(n + 1));
  for (const id of ids) {
    copy.store.grantLease({ id: toLeaseId(id), ttlSeconds: 5, generation: 1 });
    copy.store.put(put(`${id}`, { lease: id }).value as PutRequest);
  }
  const expiryFrom = (from: number): Command => {
    const leases = ids.slice(from * maxWorkPerRound, (from + 1) * maxWorkPerRound);
    return { $case: "leaseExpiry", value: { term: 2n, leases: leases.map((id) => ({ id, generation: 1n })) } };
  };
  copy.applier.apply([entry(1, expiryFrom(0)), entry(2, expiryFrom(1)), entry(3, expiryFrom(2))], () => undefined);
  while (turns.length > 0) turns.shift()?.();
  assert.deepEqual(rounds, [1, 1, 1]);
});

test("a stop ends applying between rounds, and a failure in a later round stops the member", async (t) => {
  const entries = Array.from({ length: maxWorkPerRound }, (_, n) => entry(n + 1, put(`${n}`)));
  const failures: Error[] = [];
  const failing = await openInTurns(t, { onFailure: (error) => failures.push(error) });
  failing.copy.applier.apply(entries, () => assert.fail("done"));
  failing.copy.store.put = () => {
    throw new DamagedError("here", "bit rot");
  };
  failing.turns.shift()?.();
  assert.ok(failures[0] instanceof DamagedError);
  assert.equal(failing.copy.markers.length, 1);

  const stopping = await openInTurns(t);
  stopping.copy.applier.apply(entries, () => assert.fail("done"));
  stopping.copy.applier.stop();
  stopping.turns.shift()?.();
  assert.equal(stopping.rounds.length, 1);
});

test("a member stops if its log or a snapshot names a later start than its directory does", async (t) => {
  const notItsOwn = /stale data directory: started 2 times, the cluster has seen 3 starts: put back the directory/;
  const later = { incarnation: self.incarnation + 1 };
  const { applier, markers } = await open(t);
  assert.throws(() => applier.apply([entry(1, put("k"), later)], () => assert.fail("done")), notItsOwn);
  assert.equal(markers.length, 0, "nothing of that round is kept");

  const seen = new SeenProposals();
  seen.admit({ member: self.member, ...later, sequence: 1, floor: 1 });
  const failures: Error[] = [];
  const receiving = await open(t, freshState(), undefined, {
    install: () => Promise.resolve({ ...freshState(), index: 9 as LogIndex, seen }),
    onFailure: (error) => void failures.push(error),
  });
  receiving.applier.install({ index: 9 as LogIndex, term: 2 as Term }, () => assert.fail("done"));
  await new Promise((resolve) => setImmediate(resolve));
  assert.match(failures[0]?.message ?? "", notItsOwn);
});

const deleteAll: Command = {
  $case: "deleteRange",
  value: { key: Buffer.from("k"), rangeEnd: Buffer.from("l"), prevKv: false },
};

/** Puts enough keys that deleting them takes several turns. */
const fillWithKeys = (store: KvStore, count = 1_200): void => {
  for (let n = 0; n < count; n++) store.put(put(`k${n}`).value as PutRequest);
};

test("an entry that changes more keys than the limit of a turn is applied in slices, and counts as applied at its end", async (t) => {
  const { copy, rounds, turns } = await openInTurns(t);
  fillWithKeys(copy.store);
  const { revision } = copy.store;
  const called: number[] = [];
  for (const index of [1, 2, 3]) copy.applier.callWhenApplied(index as LogIndex, () => called.push(index));
  let done = 0;
  copy.applier.apply([entry(1, put("a")), entry(2, deleteAll), entry(3, put("b"))], () => done++);
  // Reads that wait for the first entry are answered before the second one.
  assert.deepEqual([copy.applier.appliedIndex, called, [...copy.answers.keys()]], [1, [1], ["first"]]);
  let slices = 1;
  for (; rounds.length === 0; slices++) {
    assert.deepEqual([turns.length, copy.applier.appliedIndex, copy.store.revision], [1, 1, revision + 1]);
    assert.deepEqual([done, copy.markers.length, called], [0, 0, [1]]);
    turns.shift()?.();
  }
  assert.ok(slices > 2, `${slices} slices`);
  assert.deepEqual([done, rounds, copy.applier.appliedIndex, called], [0, [2], 2, [1, 2]]);
  while (turns.length > 0) turns.shift()?.();
  assert.deepEqual([done, rounds, copy.applier.appliedIndex, called], [1, [2, 1], 3, [1, 2, 3]]);
  assert.equal(copy.store.revision, revision + 3);
  assert.deepEqual([...copy.answers.keys()], ["first", "second", "third"]);
});

test("both changes of keys and entries fill a round", async (t) => {
  const { copy, rounds, turns } = await openInTurns(t);
  const perTxn = maxWorkPerRound / 4;
  const puts = Array.from({ length: perTxn }, (_, n) => ({
    request: { $case: "requestPut" as const, value: put(`${n}`).value as PutRequest },
  }));
  const command: Command = { $case: "txn", value: { compare: [], success: puts, failure: [] } };
  copy.applier.apply(
    Array.from({ length: 10 }, (_, n) => entry(n + 1, command)),
    () => undefined,
  );
  while (turns.length > 0) turns.shift()?.();
  assert.deepEqual(rounds, [4, 4, 2]);
});

test("a stop in the middle of an entry discards the entry; a failure there stops the member", async (t) => {
  const stopping = await openInTurns(t);
  fillWithKeys(stopping.copy.store);
  stopping.copy.applier.apply([entry(1, deleteAll)], () => assert.fail("done"));
  stopping.copy.applier.stop();
  stopping.turns.shift()?.();
  assert.deepEqual(
    [stopping.turns.length, stopping.copy.markers.length, stopping.copy.applier.appliedIndex],
    [0, 0, 0],
  );

  const failures: Error[] = [];
  const failing = await openInTurns(t, { onFailure: (error) => void failures.push(error) });
  failing.copy.store.deleteRange = function* () {
    yield;
    throw new DamagedError("here", "bit rot");
  };
  failing.copy.applier.apply([entry(1, deleteAll)], () => assert.fail("done"));
  assert.equal(failures.length, 0);
  failing.turns.shift()?.();
  assert.equal(failures[0]?.name, "DamagedError");
  assert.equal(failing.copy.markers.length, 0);
});

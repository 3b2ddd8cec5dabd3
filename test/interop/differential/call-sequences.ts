// Generated calls of all services: valid requests, unusual ones, and invalid bytes.
import fc from "fast-check";
import {
  AlarmRequest,
  type AlarmRequest_AlarmAction,
  type AlarmType,
  CampaignRequest,
  CompactionRequest,
  DeleteRangeRequest,
  DowngradeRequest,
  type DowngradeRequest_DowngradeAction,
  HashKVRequest,
  HealthCheckRequest,
  type LeaderKey,
  LeaderRequest,
  LeaseGrantRequest,
  LeaseRevokeRequest,
  LeaseTimeToLiveRequest,
  LockRequest,
  MemberListRequest,
  type MessageFns,
  MoveLeaderRequest,
  ProclaimRequest,
  PutRequest,
  RangeRequest,
  ResignRequest,
  TxnRequest,
  UnlockRequest,
} from "../../../proto/index.js";
import { type Call, isOnGateway } from "./calls.js";
import { choose, list } from "./chance.js";
import { key, value } from "./keys.js";
import { leasedPut, leaseId } from "./leases.js";
import { deleteRange, oddSort, range, sort } from "./operations.js";
import {
  lateOf,
  aroundCompaction,
  compactable,
  exactly,
  future,
  highest,
  type Late,
  lowest,
  odd,
} from "./revisions.js";
import { txn } from "./txns.js";

const empty = new Uint8Array(0);
const bytesOf = (text: string): Uint8Array => Buffer.from(text);

/** Returns calls with generated messages, over one of the transports. */
const calls =
  <T>(path: string, type: MessageFns<T>) =>
  (messages: fc.Arbitrary<Late<T>>): fc.Arbitrary<Late<Call>> =>
    fc
      .record({ message: messages, gateway: isOnGateway(path) ? fc.boolean() : fc.constant(false) })
      .map(({ message, gateway }) => (at) => ({
        path,
        bytes: type.encode(message(at)).finish(),
        over: gateway ? "gateway" : "grpc",
      }));
const lateOfEach = <T>(messages: fc.Arbitrary<T>): fc.Arbitrary<Late<T>> => messages.map(lateOf);
const emptyCall = (path: string): fc.Arbitrary<Late<Call>> =>
  fc
    .constantFrom<Call["over"][]>(...(isOnGateway(path) ? (["grpc", "gateway"] as const) : (["grpc"] as const)))
    .map((over) => lateOf<Call>({ path, bytes: empty, over }));

const kv = (name: string) => `/etcdserverpb.KV/${name}`;
const lease = (name: string) => `/etcdserverpb.Lease/${name}`;
const maintenance = (name: string) => `/etcdserverpb.Maintenance/${name}`;
const election = (name: string) => `/v3electionpb.Election/${name}`;

const int64 = fc.constantFrom(0n, 1n, -1n, 5n, lowest, highest);
const uint64 = fc.constantFrom(0n, 1n, 5n, 2n ** 64n - 1n);
const boolean = fc.boolean();
const name = fc.constantFrom("", "e", "f", "a").map(bytesOf);
/** Lease ids without 0, for which the server picks one. */
const owner = leaseId.filter((id) => id !== 0n);
const long = fc.constantFrom(600n, 3_600n, 9_000_000_000n, 9_000_000_001n, highest);

const compaction: fc.Arbitrary<Late<CompactionRequest>> = choose(
  [8, compactable],
  [2, aroundCompaction],
  [1, future],
  [1, odd],
).map((revision) => (at) => ({ revision: revision(at), physical: true }));
const hashed: fc.Arbitrary<Late<HashKVRequest>> = choose(
  [1, exactly(0n)],
  [4, fc.constant<Late<bigint>>((at) => at.now)],
  [1, future],
  [1, odd],
).map((revision) => (at) => ({ revision: revision(at) }));

/** GET and DEACTIVATE with any type; ACTIVATE with those that etcd knows, because others cannot be deactivated. */
const alarm = fc
  .record({
    action: fc.constantFrom<AlarmRequest_AlarmAction[]>(0, 1, 2, 2),
    memberID: fc.constantFrom(0n, 1n, 2n),
    alarm: fc.nat(3),
  })
  .map(({ action, memberID, alarm }): AlarmRequest => ({
    action,
    memberID,
    alarm: (action === 1 ? alarm % 3 : alarm) as AlarmType,
  }));
/** Versions except 3.6, to which etcd would begin a downgrade. */
const version = fc.constantFrom("3.7", "3.5", "4.0", "", "3", "x", "v3.6", "3.6 ", "é");
const downgradeAction = fc.constantFrom(0, 1, 2, 7).map((action) => action as DowngradeRequest_DowngradeAction);
const leader: fc.Arbitrary<LeaderKey> = fc
  .record({ name, lease: fc.constantFrom(1n, 2n, 3n), rev: int64 })
  .map((key) => ({ ...key, key: bytesOf(`${Buffer.from(key.name).toString()}/${key.lease.toString(16)}`) }));
const led = fc.option(leader, { nil: undefined });

/** Methods that change and read keys. */
const kvCalls = choose<Late<Call>>(
  [6, calls(kv("Put"), PutRequest)(lateOfEach(leasedPut))],
  [3, calls(kv("Range"), RangeRequest)(range(choose([20, sort], [1, oddSort]), 10))],
  [2, calls(kv("RangeStream"), RangeRequest)(range(choose([20, sort], [1, oddSort]), 10))],
  [2, calls(kv("DeleteRange"), DeleteRangeRequest)(lateOfEach(deleteRange))],
  [3, calls(kv("Txn"), TxnRequest)(txn)],
  [1, calls(kv("Compact"), CompactionRequest)(compaction)],
);
const leaseCalls = choose<Late<Call>>(
  [3, calls(lease("LeaseGrant"), LeaseGrantRequest)(lateOfEach(fc.record({ ID: owner, TTL: long })))],
  [1, calls(lease("LeaseRevoke"), LeaseRevokeRequest)(lateOfEach(fc.record({ ID: leaseId })))],
  [1, calls(lease("LeaseTimeToLive"), LeaseTimeToLiveRequest)(lateOfEach(fc.record({ ID: leaseId, keys: boolean })))],
  [1, emptyCall(lease("LeaseLeases"))],
);
const maintenanceCalls = choose<Late<Call>>(
  [3, calls(maintenance("Alarm"), AlarmRequest)(lateOfEach(alarm))],
  [1, emptyCall(maintenance("Status"))],
  [1, emptyCall(maintenance("Hash"))],
  [2, calls(maintenance("HashKV"), HashKVRequest)(hashed)],
  [1, emptyCall(maintenance("Defragment"))],
  [1, calls(maintenance("MoveLeader"), MoveLeaderRequest)(lateOfEach(fc.record({ targetID: uint64 })))],
  [2, calls(maintenance("Downgrade"), DowngradeRequest)(lateOfEach(fc.record({ action: downgradeAction, version })))],
  [1, calls("/etcdserverpb.Cluster/MemberList", MemberListRequest)(lateOfEach(fc.record({ linearizable: boolean })))],
);
const concurrencyCalls = choose<Late<Call>>(
  [2, calls("/v3lockpb.Lock/Lock", LockRequest)(lateOfEach(fc.record({ name, lease: owner })))],
  [
    1,
    calls(
      "/v3lockpb.Lock/Unlock",
      UnlockRequest,
    )(lateOfEach(fc.record({ key: choose([1, key], [2, leader.map((l) => l.key)]) }))),
  ],
  [3, calls(election("Campaign"), CampaignRequest)(lateOfEach(fc.record({ name, lease: owner, value })))],
  [2, calls(election("Proclaim"), ProclaimRequest)(lateOfEach(fc.record({ leader: led, value })))],
  [1, calls(election("Leader"), LeaderRequest)(lateOfEach(fc.record({ name })))],
  [2, calls(election("Resign"), ResignRequest)(lateOfEach(fc.record({ leader: led })))],
);
const service = fc.constantFrom("", "etcdserverpb.KV", "etcdserverpb.Nope", "é");
const otherCalls = choose<Late<Call>>(
  [2, calls("/grpc.health.v1.Health/Check", HealthCheckRequest)(lateOfEach(fc.record({ service })))],
  [1, emptyCall("/grpc.health.v1.Health/List")],
  [1, fc.constantFrom("/etcdserverpb.KV/Nope", "/foo.Bar/Nope", "/KV/Put", "/x").chain(emptyCall)],
);

/** Ways to make a request invalid; not used for transactions, because the remaining bytes may form one that etcd does not expect. */
const spoil = fc.constantFrom<((bytes: Uint8Array) => Uint8Array)[]>(
  (bytes) => Buffer.concat([bytes, Uint8Array.of(0xc0, 0x3e, 0x01)]), // field 1000, varint
  (bytes) => Buffer.concat([Uint8Array.of(0xc2, 0x3e, 0x02, 0xff, 0xff), bytes]), // field 1000, bytes
  (bytes) => Buffer.concat([bytes, Uint8Array.of(0xc3, 0x3e, 0xc4, 0x3e)]), // field 1000, an empty group
  (bytes) => bytes.subarray(0, -1),
  (bytes) => Buffer.concat([bytes, Uint8Array.of(0x0a)]), // half a field
  (bytes) => Buffer.concat([bytes, Uint8Array.of(0x00)]), // field 0
  (bytes) => Buffer.concat([bytes, Uint8Array.of(0x0f, 0x01)]), // no type
  (bytes) => Buffer.concat([bytes, Uint8Array.of(0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f)]), // longer than the message
  (bytes) => Buffer.concat([bytes, new Uint8Array(11).fill(0xff)]), // a number without an end
);

const good = choose([10, kvCalls], [5, leaseCalls], [5, maintenanceCalls], [6, concurrencyCalls], [2, otherCalls]);
const spoiled = fc.tuple(good, spoil).map<Late<Call>>(([late, change]) => (at) => {
  const call = late(at);
  return call.path.endsWith("/Txn") ? call : { ...call, bytes: change(call.bytes), over: "grpc" };
});

const first = list(
  calls(
    lease("LeaseGrant"),
    LeaseGrantRequest,
  )(lateOfEach(fc.record({ ID: fc.constantFrom(1n, 2n), TTL: fc.constant(600n) }))),
  0,
  2,
);

/** The calls of one run of the test. */
export const callSequence: fc.Arbitrary<Late<Call>[]> = fc
  .tuple(first, list(choose([9, good], [1, spoiled]), 1, 20))
  .map(([grants, rest]) => [...grants, ...rest]);

// Prints the server's answers as encoded messages of the etcd v3 API, for programs that decode them.
import type {
  AuthResult,
  AuthStatusResult,
  DeleteResult,
  GetResult,
  Header,
  KeyValue,
  LeaseGrantResult,
  DowngradeAction,
  DowngradeResult,
  MemberAddResult,
  MemberListResult,
  PutResult,
  TxnResult,
} from "../../../client/index.js";
import {
  AlarmResponse,
  AuthRoleGetResponse,
  AuthRoleListResponse,
  AuthStatusResponse,
  AuthUserAddResponse,
  AuthUserGetResponse,
  AuthUserListResponse,
  DeleteRangeResponse,
  Event_EventType,
  LeaseGrantResponse,
  LeaseKeepAliveResponse,
  LeaseLeasesResponse,
  LeaseRevokeResponse,
  LeaseTimeToLiveResponse,
  DowngradeResponse,
  MemberAddResponse,
  MemberListResponse,
  MemberRemoveResponse,
  Permission_Type,
  PutResponse,
  RangeResponse,
  TxnResponse,
  WatchResponse,
  type KeyValue as WireKeyValue,
  type MessageFns,
  type ResponseHeader,
  type ResponseOp,
} from "../../../proto/index.js";
import type { Io } from "../args/index.js";
import {
  stepForm,
  refuseFormat,
  type Alarms,
  type KvForms,
  type LeaseList,
  type LeaseRenewed,
  type LeaseRevoked,
  type LeaseState,
  type MemberChanged,
  type Printer,
  type RolePermissions,
  type UserRoles,
  type WatchAnswer,
} from "./printer.js";

/** Refuses outputs that are composed of several responses. */
const noMessage = refuseFormat("protobuf");

/** Prints etcd's messages as protobuf, as `etcdctl -w protobuf` does. */
export class ProtobufPrinter implements Printer {
  readonly endpointHealth = noMessage;
  readonly endpointStatus = noMessage;
  readonly endpointHashKv = noMessage;

  constructor(private readonly io: Pick<Io, "print">) {}

  moveLeader(): void {
    return; // a message without fields has no bytes
  }

  get(result: GetResult): void {
    this.print(RangeResponse, rangeResponse(result));
  }
  put(result: PutResult): void {
    this.print(PutResponse, putResponse(result));
  }
  delete(result: DeleteResult): void {
    this.print(DeleteRangeResponse, deleteResponse(result));
  }
  txn(result: TxnResult): void {
    this.print(TxnResponse, txnResponse(result));
  }

  watch({ header, events, compactRevision, canceled }: WatchAnswer): void {
    const types = { put: Event_EventType.PUT, delete: Event_EventType.DELETE };
    const wireEvents = events.map(({ type, kv, prevKv }) => ({
      type: types[type],
      kv: wireKeyValue(kv),
      prevKv: prevKv && wireKeyValue(prevKv),
    }));
    this.print(WatchResponse, {
      ...WatchResponse.create(),
      header: wireHeader(header),
      compactRevision: BigInt(compactRevision),
      canceled,
      events: wireEvents,
    });
  }

  leaseGrant({ header, id, ttlSeconds }: LeaseGrantResult): void {
    const message = { header: wireHeader(header), ID: id, TTL: BigInt(ttlSeconds), error: "" };
    this.print(LeaseGrantResponse, message);
  }
  leaseRevoke({ header }: LeaseRevoked): void {
    this.print(LeaseRevokeResponse, { header: wireHeader(header) });
  }
  leaseKeepAlive({ header, id, ttlSeconds }: LeaseRenewed): void {
    this.print(LeaseKeepAliveResponse, { header: wireHeader(header), ID: id, TTL: BigInt(ttlSeconds) });
  }
  leaseExpiry(): void {
    // etcdctl prints the end of a lease in the simple format only
  }
  leaseTimeToLive({ header, id, ttlSeconds, grantedTtlSeconds, keys }: LeaseState): void {
    const times = { TTL: BigInt(ttlSeconds), grantedTTL: BigInt(grantedTtlSeconds) };
    this.print(LeaseTimeToLiveResponse, { header: wireHeader(header), ID: id, ...times, keys });
  }
  leaseList({ header, ids }: LeaseList): void {
    this.print(LeaseLeasesResponse, { header: wireHeader(header), leases: ids.map((ID) => ({ ID })) });
  }

  memberList({ header, members }: MemberListResult): void {
    this.print(MemberListResponse, { header: wireHeader(header), members });
  }

  memberAdd({ header, member, members }: MemberAddResult): void {
    this.print(MemberAddResponse, { header: wireHeader(header), member, members });
  }
  /** Prints one type of message for all three changes: their fields are the same. */
  memberChange({ header, members }: MemberChanged): void {
    this.print(MemberRemoveResponse, { header: wireHeader(header), members });
  }

  downgrade(_: DowngradeAction, { header, version }: DowngradeResult): void {
    this.print(DowngradeResponse, { header: wireHeader(header), version });
  }

  alarms({ header, alarms }: Alarms): void {
    this.print(AlarmResponse, { header: header && wireHeader(header), alarms });
  }

  authStatus({ header, enabled, authRevision }: AuthStatusResult): void {
    const message = { header: wireHeader(header), enabled, authRevision: BigInt(authRevision) };
    this.print(AuthStatusResponse, message);
  }
  /** Prints the message of any change: all of them have only a header. */
  authChange({ header }: AuthResult): void {
    this.print(AuthUserAddResponse, { header: wireHeader(header) });
  }
  userGet({ header, roles }: UserRoles): void {
    this.print(AuthUserGetResponse, { header: wireHeader(header), roles: [...roles] });
  }
  userList({ header, users }: AuthResult & { readonly users: readonly string[] }): void {
    this.print(AuthUserListResponse, { header: wireHeader(header), users: [...users] });
  }
  roleGet({ header, permissions }: RolePermissions): void {
    const types = { read: Permission_Type.READ, write: Permission_Type.WRITE, readwrite: Permission_Type.READWRITE };
    const perm = permissions.map(({ type, key, rangeEnd }) => ({ permType: types[type], key, rangeEnd }));
    this.print(AuthRoleGetResponse, { header: wireHeader(header), perm });
  }
  roleList({ header, roles }: AuthResult & { readonly roles: readonly string[] }): void {
    this.print(AuthRoleListResponse, { header: wireHeader(header), roles: [...roles] });
  }

  private print<Message>(type: MessageFns<Message>, message: Message): void {
    this.io.print(type.encode(message).finish());
  }
}

const wireHeader = ({ clusterId, memberId, revision, raftTerm }: Header): ResponseHeader => ({
  clusterId,
  memberId,
  revision: BigInt(revision),
  raftTerm: BigInt(raftTerm),
});

const wireKeyValue = ({ key, value, createRevision, modRevision, version, lease }: KeyValue): WireKeyValue => ({
  key,
  value,
  createRevision: BigInt(createRevision),
  modRevision: BigInt(modRevision),
  version: BigInt(version),
  lease,
});

const rangeResponse = ({ header, kvs, more, count }: GetResult): RangeResponse => ({
  header: wireHeader(header),
  kvs: kvs.map(wireKeyValue),
  more,
  count: BigInt(count),
});

const putResponse = ({ header, prevKv }: PutResult): PutResponse => ({
  header: wireHeader(header),
  prevKv: prevKv && wireKeyValue(prevKv),
});

const deleteResponse = ({ header, deleted, prevKvs }: DeleteResult): DeleteRangeResponse => ({
  header: wireHeader(header),
  deleted: BigInt(deleted),
  prevKvs: prevKvs.map(wireKeyValue),
});

const txnResponse = ({ header, succeeded, responses }: TxnResult): TxnResponse => ({
  header: wireHeader(header),
  succeeded,
  responses: responses.map((step) => ({ response: stepForm(stepResponses, step) })),
});

const stepResponses: KvForms<ResponseOp["response"]> = {
  get: (step) => ({ $case: "responseRange", value: rangeResponse(step) }),
  put: (step) => ({ $case: "responsePut", value: putResponse(step) }),
  delete: (step) => ({ $case: "responseDeleteRange", value: deleteResponse(step) }),
  txn: (step) => ({ $case: "responseTxn", value: txnResponse(step) }),
};

// Prints etcdctl's JSON: members and their order follow the fields of the Go structs of etcd and etcdctl.
import type {
  AuthResult,
  AuthStatusResult,
  DeleteResult,
  GetResult,
  Header,
  KeyValue,
  DowngradeAction,
  DowngradeResult,
  LeaseGrantResult,
  Member,
  MemberAddResult,
  MemberListResult,
  PutResult,
  TxnResult,
  WatchEvent,
} from "../../../client/index.js";
import { formatDuration, type Io } from "../args/index.js";
import { omitZeros, writeJson, type JsonValue } from "./json.js";
import { memberId } from "./tables.js";
import {
  stepForm,
  type Alarms,
  type EndpointHash,
  type EndpointStatus,
  type Health,
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

const permissionTypes = { read: 0, write: 1, readwrite: 2 } as const;
const eventTypes = { put: 0, delete: 1 } as const;

/** Prints JSON, as `etcdctl -w json` does. */
export class JsonPrinter implements Printer {
  /** @param hex writes the ids in the answers of `member` commands in hex, and no other ids, as in etcdctl */
  constructor(
    private readonly hex: boolean,
    private readonly io: Pick<Io, "print">,
  ) {}

  get(result: GetResult): void {
    this.write(kvJson.get(result));
  }
  put(result: PutResult): void {
    this.write(kvJson.put(result));
  }
  delete(result: DeleteResult): void {
    this.write(kvJson.delete(result));
  }
  txn(result: TxnResult): void {
    this.write(kvJson.txn(result));
  }

  watch(answer: WatchAnswer): void {
    const { header, events, compactRevision, canceled } = answer;
    this.write({
      Header: headerJson(header),
      Events: canceled ? null : events.map(eventJson),
      CompactRevision: compactRevision,
      Canceled: canceled,
      Created: false,
      CancelReason: "", // empty in etcdctl, too: the reason is on standard error
    });
  }

  leaseGrant({ header, id, ttlSeconds }: LeaseGrantResult): void {
    this.write({ ...headerJson(header), ID: id, TTL: ttlSeconds, Error: "" });
  }
  leaseRevoke({ header }: LeaseRevoked): void {
    this.write({ header: headerJson(header) });
  }
  leaseKeepAlive({ header, id, ttlSeconds }: LeaseRenewed): void {
    this.write({ ...headerJson(header), ID: id, TTL: ttlSeconds });
  }
  leaseExpiry(): void {
    // etcdctl prints the end of a lease in the simple format only
  }
  leaseTimeToLive({ header, id, ttlSeconds, grantedTtlSeconds, keys }: LeaseState): void {
    const times = { ttl: ttlSeconds, "granted-ttl": grantedTtlSeconds };
    this.write({ ...headerJson(header), id, ...times, keys: keys.length === 0 ? null : keys });
  }
  leaseList({ header, ids }: LeaseList): void {
    this.write({ ...headerJson(header), leases: ids.map((id) => ({ id })) });
  }

  memberList({ header, members }: MemberListResult): void {
    if (this.hex) return this.write({ header: hexHeaderJson(header), members: members.map(hexMemberJson) });
    this.write(omitZeros({ header: headerJson(header), members: members.map(memberJson) }));
  }

  memberAdd({ header, member, members }: MemberAddResult): void {
    const hex = { header: hexHeaderJson(header), member: hexMemberJson(member), members: members.map(hexMemberJson) };
    const plain = { header: headerJson(header), member: memberJson(member), members: members.map(memberJson) };
    this.write(this.hex ? hex : omitZeros(plain));
  }
  memberChange(result: MemberChanged): void {
    this.memberList(result);
  }

  endpointHealth(results: readonly Health[]): void {
    this.write(
      results.map(({ endpoint, healthy, tookMs, error }) => {
        const health = { endpoint, health: healthy, took: formatDuration(tookMs) };
        return error === undefined ? health : { ...health, error };
      }),
    );
  }

  endpointStatus(results: readonly EndpointStatus[]): void {
    this.write(results.map((status) => ({ Endpoint: status.endpoint, Status: statusJson(status) })));
  }

  endpointHashKv(results: readonly EndpointHash[]): void {
    this.write(
      results.map(({ endpoint, header, hash, compactRevision, hashRevision }) => {
        const revisions = { compact_revision: compactRevision, hash_revision: hashRevision };
        return { Endpoint: endpoint, HashKV: omitZeros({ header: headerJson(header), hash, ...revisions }) };
      }),
    );
  }

  moveLeader(): void {
    this.write({}); // the answer has no header
  }

  downgrade(_: DowngradeAction, { header, version }: DowngradeResult): void {
    this.write(omitZeros({ header: headerJson(header), version }));
  }

  alarms({ header, alarms }: Alarms): void {
    const list = alarms.map(({ memberID, alarm }) => omitZeros({ memberID, alarm }));
    this.write(omitZeros({ header: header && headerJson(header), alarms: list }));
  }

  authStatus({ header, enabled, authRevision }: AuthStatusResult): void {
    this.write(omitZeros({ header: headerJson(header), enabled, authRevision }));
  }
  authChange({ header }: AuthResult): void {
    this.write({ header: headerJson(header) });
  }
  userGet({ header, roles }: UserRoles): void {
    this.write(omitZeros({ header: headerJson(header), roles }));
  }
  userList({ header, users }: AuthResult & { readonly users: readonly string[] }): void {
    this.write(omitZeros({ header: headerJson(header), users }));
  }
  roleGet({ header, permissions }: RolePermissions): void {
    const perm = permissions.map(({ type, key, rangeEnd }) =>
      omitZeros({ permType: permissionTypes[type], key, range_end: rangeEnd }),
    );
    this.write(omitZeros({ header: headerJson(header), perm }));
  }
  roleList({ header, roles }: AuthResult & { readonly roles: readonly string[] }): void {
    this.write(omitZeros({ header: headerJson(header), roles }));
  }

  private write(value: JsonValue): void {
    this.io.print(`${writeJson(value)}\n`);
  }
}

const headerJson = ({ clusterId, memberId, revision, raftTerm }: Header) =>
  omitZeros({ cluster_id: clusterId, member_id: memberId, revision, raft_term: raftTerm });

/** Writes the ids in hex, also if they are 0. */
const hexHeaderJson = ({ clusterId, memberId: id, revision, raftTerm }: Header) => ({
  cluster_id: memberId(clusterId),
  member_id: memberId(id),
  ...omitZeros({ revision, raft_term: raftTerm }),
});

const memberJson = ({ ID, name, peerURLs, clientURLs, isLearner }: Member) =>
  omitZeros({ ID, name, peerURLs, clientURLs, isLearner });

const hexMemberJson = (member: Member) => ({ ...memberJson(member), ID: memberId(member.ID) });

function statusJson(status: EndpointStatus) {
  const { version, dbSize, leader, raftIndex, raftTerm, raftAppliedIndex, errors } = status;
  const { dbSizeInUse, isLearner, storageVersion, dbSizeQuota, downgradeInfo } = status;
  const raft = { leader, raftIndex, raftTerm, raftAppliedIndex };
  const newer = { storageVersion, dbSizeQuota, downgradeInfo: downgradeInfo && omitZeros({ ...downgradeInfo }) };
  const rest = { errors, dbSizeInUse, isLearner, ...newer };
  return omitZeros({ header: headerJson(status.header), version, dbSize, ...raft, ...rest });
}

const keyValueJson = ({ key, createRevision, modRevision, version, value, lease }: KeyValue) =>
  omitZeros({ key, create_revision: createRevision, mod_revision: modRevision, version, value, lease });

const eventJson = ({ type, kv, prevKv }: WatchEvent) =>
  omitZeros({ type: eventTypes[type], kv: keyValueJson(kv), prev_kv: prevKv && keyValueJson(prevKv) });

/** Names of the results of a transaction's steps. */
const stepNames = {
  get: "response_range",
  put: "response_put",
  delete: "response_delete_range",
  txn: "response_txn",
} as const;

const kvJson: KvForms<JsonValue> = {
  get: ({ header, kvs, more, count }) =>
    omitZeros({ header: headerJson(header), kvs: kvs.map(keyValueJson), more, count }),
  put: ({ header, prevKv }) => omitZeros({ header: headerJson(header), prev_kv: prevKv && keyValueJson(prevKv) }),
  delete: ({ header, deleted, prevKvs }) =>
    omitZeros({ header: headerJson(header), deleted, prev_kvs: prevKvs.map(keyValueJson) }),
  txn: ({ header, succeeded, responses }) => {
    const steps = responses.map((step) => ({ Response: { [stepNames[step.op]]: stepForm(kvJson, step) } }));
    return omitZeros({ header: headerJson(header), succeeded, responses: steps });
  },
};

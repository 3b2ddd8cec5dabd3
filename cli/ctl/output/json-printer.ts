// etcdctl's JSON: the members and their order are those of Go's structs, etcd's own and etcdctl's.
import type {
  DeleteResult,
  GetResult,
  Header,
  KeyValue,
  LeaseGrantResult,
  MemberListResult,
  PutResult,
  TxnResult,
  WatchEvent,
} from "../../../client/index.js";
import { formatDuration, type Io } from "../args/index.js";
import { withoutZeros, writeJson, type JsonValue } from "./json.js";
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
  type Printer,
  type WatchAnswer,
} from "./printer.js";

const eventTypes = { put: 0, delete: 1 } as const;

/** Prints JSON, as `etcdctl -w json` does. */
export class JsonPrinter implements Printer {
  constructor(private readonly io: Pick<Io, "print">) {}

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
      Events: answer.refusal === undefined ? events.map(eventJson) : null,
      CompactRevision: compactRevision,
      Canceled: canceled,
      Created: false,
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
  leaseGone(): void {
    return;
  }
  leaseTimeToLive({ header, id, ttlSeconds, grantedTtlSeconds, keys }: LeaseState): void {
    const times = { ttl: ttlSeconds, "granted-ttl": grantedTtlSeconds };
    this.write({ ...headerJson(header), id, ...times, keys: keys.length === 0 ? null : keys });
  }
  leaseList({ header, ids }: LeaseList): void {
    this.write({ ...headerJson(header), leases: ids.map((id) => ({ id })) });
  }

  memberList({ header, members }: MemberListResult): void {
    const list = members.map(({ ID, name, peerURLs, clientURLs, isLearner }) =>
      withoutZeros({ ID, name, peerURLs, clientURLs, isLearner }),
    );
    this.write(withoutZeros({ header: headerJson(header), members: list }));
  }

  endpointHealth(results: readonly Health[]): void {
    this.write(
      results.map(({ endpoint, healthy, tookMs, error }) => {
        const health = { endpoint, health: healthy, took: formatDuration(tookMs) };
        return error === undefined ? health : { ...health, error };
      }),
    );
  }

  /** Prints statuses with the fields of etcdctl 3.4: no storage version, quota or downgrades. */
  endpointStatus(results: readonly EndpointStatus[]): void {
    this.write(
      results.map((status) => {
        const { endpoint, header, version, dbSize, leader, raftIndex, raftTerm, raftAppliedIndex, errors } = status;
        const { dbSizeInUse, isLearner } = status;
        const raft = { leader, raftIndex, raftTerm, raftAppliedIndex };
        const rest = { errors, dbSizeInUse, isLearner };
        return {
          Endpoint: endpoint,
          Status: withoutZeros({ header: headerJson(header), version, dbSize, ...raft, ...rest }),
        };
      }),
    );
  }

  endpointHashKv(results: readonly EndpointHash[]): void {
    this.write(
      results.map(({ endpoint, header, hash, compactRevision }) => ({
        Endpoint: endpoint,
        HashKV: withoutZeros({ header: headerJson(header), hash, compact_revision: compactRevision }),
      })),
    );
  }

  moveLeader(): void {
    this.write({}); // the answer has no header
  }

  alarms({ header, alarms }: Alarms): void {
    const list = alarms.map(({ memberID, alarm }) => withoutZeros({ memberID, alarm }));
    this.write(withoutZeros({ header: header && headerJson(header), alarms: list }));
  }

  private write(value: JsonValue): void {
    this.io.print(`${writeJson(value)}\n`);
  }
}

const headerJson = ({ clusterId, memberId, revision, raftTerm }: Header) =>
  withoutZeros({ cluster_id: clusterId, member_id: memberId, revision, raft_term: raftTerm });

const keyValueJson = ({ key, createRevision, modRevision, version, value, lease }: KeyValue) =>
  withoutZeros({ key, create_revision: createRevision, mod_revision: modRevision, version, value, lease });

const eventJson = ({ type, kv, prevKv }: WatchEvent) =>
  withoutZeros({ type: eventTypes[type], kv: keyValueJson(kv), prev_kv: prevKv && keyValueJson(prevKv) });

/** Go's names of the results of a transaction's steps. */
const stepNames = {
  get: "ResponseRange",
  put: "ResponsePut",
  delete: "ResponseDeleteRange",
  txn: "ResponseTxn",
} as const;

const kvJson: KvForms<JsonValue> = {
  get: ({ header, kvs, more, count }) =>
    withoutZeros({ header: headerJson(header), kvs: kvs.map(keyValueJson), more, count }),
  put: ({ header, prevKv }) => withoutZeros({ header: headerJson(header), prev_kv: prevKv && keyValueJson(prevKv) }),
  delete: ({ header, deleted, prevKvs }) =>
    withoutZeros({ header: headerJson(header), deleted, prev_kvs: prevKvs.map(keyValueJson) }),
  txn: ({ header, succeeded, responses }) => {
    const steps = responses.map((step) => ({ Response: { [stepNames[step.op]]: stepForm(kvJson, step) } }));
    return withoutZeros({ header: headerJson(header), succeeded, responses: steps });
  },
};

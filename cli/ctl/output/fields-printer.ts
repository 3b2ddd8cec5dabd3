// A line for each field, with names and values as etcdctl writes them: for scripts that read lines.
import type {
  DeleteResult,
  GetResult,
  Header,
  KeyValue,
  LeaseGrantResult,
  MemberListResult,
  PutResult,
  TxnResult,
} from "../../../client/index.js";
import { formatDuration, type Io, quote } from "../args/index.js";
import {
  stepForm,
  unsupported,
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
import { alarmName } from "./tables.js";

/** A name and a value; undefined: an empty line, after each of several things. */
type Field = readonly [name: string, value: string | number | bigint | boolean] | undefined;

/** Prints a line for each field, as `etcdctl -w fields` does. */
export class FieldsPrinter implements Printer {
  readonly moveLeader = unsupported("fields"); // the answer has none

  constructor(private readonly io: Pick<Io, "print">) {}

  get(result: GetResult): void {
    this.print(kvFields.get(result));
  }
  put(result: PutResult): void {
    this.print(kvFields.put(result));
  }
  delete(result: DeleteResult): void {
    this.print(kvFields.delete(result));
  }
  txn(result: TxnResult): void {
    this.print(kvFields.txn(result));
  }

  watch({ header, events }: WatchAnswer): void {
    const eventFields = events.flatMap(({ type, kv, prevKv }): Field[] => [
      ["Type", type.toUpperCase()],
      ...(prevKv === undefined ? [] : keyValueFields(prevKv, "Prev")),
      ...keyValueFields(kv),
    ]);
    this.print([...headerFields(header), ...eventFields]);
  }

  leaseGrant({ header, id, ttlSeconds }: LeaseGrantResult): void {
    this.print([...headerFields(header), ["ID", id], ["TTL", ttlSeconds]]);
  }
  leaseRevoke({ header }: LeaseRevoked): void {
    this.print(headerFields(header));
  }
  leaseKeepAlive({ header, id, ttlSeconds }: LeaseRenewed): void {
    this.print([...headerFields(header), ["ID", id], ["TTL", ttlSeconds]]);
  }
  leaseGone(): void {
    return;
  }
  leaseTimeToLive({ header, id, ttlSeconds, grantedTtlSeconds, keys }: LeaseState): void {
    const attached = keys.map((key): Field => ["Key", quote(key)]);
    const times: Field[] = [
      ["TTL", ttlSeconds],
      ["GrantedTTL", grantedTtlSeconds],
    ];
    this.print([...headerFields(header), ["ID", id], ...times, ...attached]);
  }
  leaseList({ header, ids }: LeaseList): void {
    this.print([...headerFields(header), ...ids.map((id): Field => ["ID", id])]);
  }

  memberList({ header, members }: MemberListResult): void {
    const memberFields = members.flatMap(({ ID, name, peerURLs, clientURLs, isLearner }): Field[] => [
      ["ID", ID],
      ["Name", quote(name)],
      ...peerURLs.map((url): Field => ["PeerURL", quote(url)]),
      ...clientURLs.map((url): Field => ["ClientURL", quote(url)]),
      ["IsLearner", isLearner],
      undefined,
    ]);
    this.print([...headerFields(header), ...memberFields]);
  }

  endpointHealth(results: readonly Health[]): void {
    const fields = results.flatMap(({ endpoint, healthy, tookMs, error = "" }): Field[] => [
      ["Endpoint", quote(endpoint)],
      ["Health", healthy],
      ["Took", formatDuration(tookMs)],
      ["Error", error],
      undefined,
    ]);
    this.print(fields);
  }

  /** Prints statuses with the fields of etcdctl 3.4: no storage version, quota or downgrades. */
  endpointStatus(results: readonly EndpointStatus[]): void {
    const fields = results.flatMap((status): Field[] => [
      ...headerFields(status.header),
      ["Version", quote(status.version)],
      ["DBSize", status.dbSize],
      ["Leader", status.leader],
      ["IsLearner", status.isLearner],
      ["RaftIndex", status.raftIndex],
      ["RaftTerm", status.raftTerm],
      ["RaftAppliedIndex", status.raftAppliedIndex],
      ["Errors", `[${status.errors.join(" ")}]`],
      ["Endpoint", quote(status.endpoint)],
      undefined,
    ]);
    this.print(fields);
  }

  endpointHashKv(results: readonly EndpointHash[]): void {
    const fields = results.flatMap(({ endpoint, header, hash }): Field[] => [
      ...headerFields(header),
      ["Endpoint", quote(endpoint)],
      ["Hash", hash],
      undefined,
    ]);
    this.print(fields);
  }

  alarms({ header, alarms }: Alarms): void {
    const alarmFields = alarms.flatMap(({ memberID, alarm }): Field[] => [
      ["MemberID", memberID],
      ["AlarmType", alarmName(alarm)],
      undefined,
    ]);
    const headerOrZeros = header === undefined ? noHeaderFields : headerFields(header);
    this.print([...headerOrZeros, ...alarmFields]);
  }

  private print(fields: readonly Field[]): void {
    this.io.print(fields.map((field) => (field === undefined ? "\n" : `"${field[0]}" : ${field[1]}\n`)).join(""));
  }
}

/** The header of an answer that is made of several, as etcdctl 3.7 prints it. */
const noHeaderFields: Field[] = [
  ["ClusterID", 0n],
  ["MemberID", 0n],
  ["RaftTerm", 0],
];

const headerFields = ({ clusterId, memberId, revision, raftTerm }: Header): Field[] => [
  ["ClusterID", clusterId],
  ["MemberID", memberId],
  ["Revision", revision],
  ["RaftTerm", raftTerm],
];

const keyValueFields = (kv: KeyValue, prefix = ""): Field[] => [
  [`${prefix}Key`, quote(kv.key)],
  [`${prefix}CreateRevision`, kv.createRevision],
  [`${prefix}ModRevision`, kv.modRevision],
  [`${prefix}Version`, kv.version],
  [`${prefix}Value`, quote(kv.value)],
  [`${prefix}Lease`, kv.lease],
];

const kvFields: KvForms<Field[]> = {
  get: ({ header, kvs, more, count }) => [
    ...headerFields(header),
    ...kvs.flatMap((kv) => keyValueFields(kv)),
    ["More", more],
    ["Count", count],
  ],
  put: ({ header, prevKv }) => [
    ...headerFields(header),
    ...(prevKv === undefined ? [] : keyValueFields(prevKv, "Prev")),
  ],
  delete: ({ header, deleted, prevKvs }) => [
    ...headerFields(header),
    ["Deleted", deleted],
    ...prevKvs.flatMap((kv) => keyValueFields(kv, "Prev")),
  ],
  txn: ({ header, succeeded, responses }) => [
    ...headerFields(header),
    ["Succeeded", succeeded],
    ...responses.flatMap((step) => stepForm(kvFields, step)),
  ],
};

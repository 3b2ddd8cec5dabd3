// Prints one line for each field, with etcdctl's names and formats of values, for scripts that read lines.
import type {
  AuthResult,
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
  refuseFormat,
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
  type RolePermissions,
  type WatchAnswer,
} from "./printer.js";
import { alarmName, leaseId, memberId } from "./tables.js";

/** A name and a value; undefined: an empty line, which ends each item of a list. */
type Field = readonly [name: string, value: string | number | bigint | boolean] | undefined;

/** Prints a line for each field, as `etcdctl -w fields` does. */
export class FieldsPrinter implements Printer {
  readonly moveLeader = refuseFormat("fields"); // the answer has no fields
  readonly memberAdd = refuseFormat("fields");
  readonly memberChange = refuseFormat("fields");
  readonly downgrade = refuseFormat("fields");
  readonly authStatus = refuseFormat("fields");
  readonly userGet = refuseFormat("fields");
  readonly userList = refuseFormat("fields");

  /** @param hex writes ids and leases in hex; keys and values stay quoted, as in etcdctl */
  constructor(
    private readonly hex: boolean,
    private readonly io: Pick<Io, "print">,
  ) {}

  private readonly kv: KvForms<Field[]> = {
    get: ({ header, kvs, more, count }) => [
      ...this.header(header),
      ...kvs.flatMap((kv) => this.keyValue(kv)),
      ["More", more],
      ["Count", count],
    ],
    put: ({ header, prevKv }) => [
      ...this.header(header),
      ...(prevKv === undefined ? [] : this.keyValue(prevKv, "Prev")),
    ],
    delete: ({ header, deleted, prevKvs }) => [
      ...this.header(header),
      ["Deleted", deleted],
      ...prevKvs.flatMap((kv) => this.keyValue(kv, "Prev")),
    ],
    txn: ({ header, succeeded, responses }) => [
      ...this.header(header),
      ["Succeeded", succeeded],
      ...responses.flatMap((step) => stepForm(this.kv, step)),
    ],
  };

  get(result: GetResult): void {
    this.print(this.kv.get(result));
  }
  put(result: PutResult): void {
    this.print(this.kv.put(result));
  }
  delete(result: DeleteResult): void {
    this.print(this.kv.delete(result));
  }
  txn(result: TxnResult): void {
    this.print(this.kv.txn(result));
  }

  watch({ header, events }: WatchAnswer): void {
    const eventFields = events.flatMap(({ type, kv, prevKv }): Field[] => [
      ["Type", type.toUpperCase()],
      ...(prevKv === undefined ? [] : this.keyValue(prevKv, "Prev")),
      ...this.keyValue(kv),
    ]);
    this.print([...this.header(header), ...eventFields]);
  }

  leaseGrant({ header, id, ttlSeconds }: LeaseGrantResult): void {
    this.print([...this.header(header), ["ID", this.lease(id)], ["TTL", ttlSeconds]]);
  }
  leaseRevoke({ header }: LeaseRevoked): void {
    this.print(this.header(header));
  }
  leaseKeepAlive({ header, id, ttlSeconds }: LeaseRenewed): void {
    this.print([...this.header(header), ["ID", this.lease(id)], ["TTL", ttlSeconds]]);
  }
  leaseExpiry(): void {
    // etcdctl prints the end of a lease in the simple format only
  }
  leaseTimeToLive({ header, id, ttlSeconds, grantedTtlSeconds, keys }: LeaseState): void {
    const attached = keys.map((key): Field => ["Key", quote(key)]);
    const times: Field[] = [
      ["TTL", ttlSeconds],
      ["GrantedTTL", grantedTtlSeconds],
    ];
    this.print([...this.header(header), ["ID", this.lease(id)], ...times, ...attached]);
  }
  leaseList({ header, ids }: LeaseList): void {
    this.print([...this.header(header), ...ids.map((id): Field => ["ID", this.lease(id)])]);
  }

  memberList({ header, members }: MemberListResult): void {
    const memberFields = members.flatMap(({ ID, name, peerURLs, clientURLs, isLearner }): Field[] => [
      ["ID", this.id(ID)],
      ["Name", quote(name)],
      ...peerURLs.map((url): Field => ["PeerURL", quote(url)]),
      ...clientURLs.map((url): Field => ["ClientURL", quote(url)]),
      ["IsLearner", isLearner],
      undefined,
    ]);
    this.print([...this.header(header), ...memberFields]);
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

  endpointStatus(results: readonly EndpointStatus[]): void {
    const fields = results.flatMap((status): Field[] => [
      ...this.header(status.header),
      ["Version", quote(status.version)],
      ["StorageVersion", quote(status.storageVersion)],
      ["DBSize", status.dbSize],
      ["DBSizeInUse", status.dbSizeInUse],
      ["DBSizeQuota", status.dbSizeQuota],
      ["Leader", status.leader],
      ["IsLearner", status.isLearner],
      ["RaftIndex", status.raftIndex],
      ["RaftAppliedIndex", status.raftAppliedIndex],
      ["Errors", `[${status.errors.join(" ")}]`],
      ["Endpoint", quote(status.endpoint)],
      ["DowngradeTargetVersion", quote(status.downgradeInfo?.targetVersion ?? "")],
      ["DowngradeEnabled", status.downgradeInfo?.enabled ?? false],
      undefined,
    ]);
    this.print(fields);
  }

  endpointHashKv(results: readonly EndpointHash[]): void {
    const fields = results.flatMap(({ endpoint, header, hash, hashRevision }): Field[] => [
      ...this.header(header),
      ["Endpoint", quote(endpoint)],
      ["Hash", hash],
      ["HashRevision", hashRevision],
      undefined,
    ]);
    this.print(fields);
  }

  alarms({ header, alarms }: Alarms): void {
    const alarmFields = alarms.flatMap(({ memberID, alarm }): Field[] => [
      ["MemberID", this.id(memberID)],
      ["AlarmType", alarmName(alarm)],
      undefined,
    ]);
    this.print([...this.header(header ?? noHeader), ...alarmFields]);
  }

  authChange({ header }: AuthResult): void {
    this.print(this.header(header));
  }
  roleGet({ header, permissions }: RolePermissions): void {
    const permissionFields = permissions.flatMap(({ type, key, rangeEnd }): Field[] => [
      ["PermType", ` ${type.toUpperCase()}`], // etcdctl prints two spaces before the type
      ["Key", quote(key)],
      ["RangeEnd", quote(rangeEnd)],
    ]);
    this.print([...this.header(header), ...permissionFields]);
  }
  roleList({ header, roles }: AuthResult & { readonly roles: readonly string[] }): void {
    this.print(this.header(header));
    this.io.print(`"Roles" :${roles.map((role) => ` ${quote(role)}`).join("")}\n`);
  }

  private print(fields: readonly Field[]): void {
    this.io.print(fields.map((field) => (field === undefined ? "\n" : `"${field[0]}" : ${field[1]}\n`)).join(""));
  }

  /** Returns the fields of a header; without the revision if it is 0, as in answers about members and alarms. */
  private header({ clusterId, memberId, revision, raftTerm }: Header): Field[] {
    return [
      ["ClusterID", this.id(clusterId)],
      ["MemberID", this.id(memberId)],
      ...(revision > 0 ? [["Revision", revision] as const] : []),
      ["RaftTerm", raftTerm],
    ];
  }

  private keyValue(kv: KeyValue, prefix = ""): Field[] {
    return [
      [`${prefix}Key`, quote(kv.key)],
      [`${prefix}CreateRevision`, kv.createRevision],
      [`${prefix}ModRevision`, kv.modRevision],
      [`${prefix}Version`, kv.version],
      [`${prefix}Value`, quote(kv.value)],
      [`${prefix}Lease`, this.lease(kv.lease)],
    ];
  }

  private id(id: bigint): string | bigint {
    return this.hex ? memberId(id) : id;
  }

  private lease(id: bigint): string | bigint {
    return this.hex ? leaseId(id) : id;
  }
}

/** The header of an output that is composed of several answers. */
const noHeader: Header = { clusterId: 0n, memberId: 0n, revision: 0, raftTerm: 0 };

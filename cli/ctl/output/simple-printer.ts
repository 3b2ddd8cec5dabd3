// Output for people and for shell scripts.
import type {
  AuthResult,
  AuthStatusResult,
  DeleteResult,
  GetResult,
  KeyValue,
  DowngradeAction,
  DowngradeResult,
  LeaseGrantResult,
  MemberAddResult,
  MemberListResult,
  Permission,
  PutResult,
  TxnResult,
} from "../../../client/index.js";
import { prefixEnd } from "../../../client/index.js";
import { formatDuration, type Io } from "../args/index.js";
import {
  stepForm,
  type Alarms,
  type EndpointHash,
  type EndpointStatus,
  type Health,
  type KvForms,
  type LeaderMoved,
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
import { alarmName, hashTable, leaseId, memberId, memberTable, statusTable } from "./tables.js";

/** A line to print; keys and values are bytes, which need not be text. */
type OutputLine = string | Uint8Array;

/** Prints text for people, as etcdctl does by default. */
export class SimplePrinter implements Printer {
  constructor(
    private readonly hex: boolean,
    private readonly io: Pick<Io, "print" | "note">,
  ) {}

  get(result: GetResult, { valueOnly }: { readonly valueOnly: boolean }): void {
    this.print(valueOnly ? result.kvs.map(({ value }) => value) : kvLines.get(result));
  }
  put(result: PutResult): void {
    this.print(kvLines.put(result));
  }
  delete(result: DeleteResult): void {
    this.print(kvLines.delete(result));
  }
  txn(result: TxnResult): void {
    this.print(kvLines.txn(result));
  }

  /** Prints for each event its type, the previous key and value with `--prev-kv`, and the new key and value. */
  watch({ events }: WatchAnswer): void {
    this.print(
      events.flatMap(({ type, kv, prevKv }) => [
        type.toUpperCase(),
        ...(prevKv === undefined ? [] : keyValueLines(prevKv)),
        ...keyValueLines(kv),
      ]),
    );
  }

  leaseGrant({ id, ttlSeconds }: LeaseGrantResult): void {
    this.print([`lease ${leaseId(id)} granted with TTL(${ttlSeconds}s)`]);
  }
  leaseRevoke({ id }: LeaseRevoked): void {
    this.print([`lease ${leaseId(id)} revoked`]);
  }
  leaseKeepAlive({ id, ttlSeconds }: LeaseRenewed): void {
    this.print([`lease ${leaseId(id)} keepalived with TTL(${ttlSeconds})`]);
  }
  leaseExpiry(id: bigint): void {
    this.print([`lease ${leaseId(id)} expired or revoked.`]);
  }

  leaseTimeToLive(state: LeaseState, { keys }: { readonly keys: boolean }): void {
    const { id, ttlSeconds, grantedTtlSeconds } = state;
    if (grantedTtlSeconds === 0 && ttlSeconds === -1) return this.print([`lease ${leaseId(id)} already expired`]);
    const times = `lease ${leaseId(id)} granted with TTL(${grantedTtlSeconds}s), remaining(${ttlSeconds}s)`;
    if (!keys) return this.print([times]);
    // keys are printed unchanged, even with --hex
    const attached = state.keys.flatMap((key, position) => [Buffer.from(position === 0 ? "" : " "), key]);
    this.io.print(Buffer.concat([Buffer.from(`${times}, attached keys([`), ...attached, Buffer.from("])\n")]));
  }

  leaseList({ ids }: LeaseList): void {
    this.print([`found ${ids.length} leases`, ...ids.map(leaseId)]);
  }

  memberList(result: MemberListResult): void {
    this.printRows(memberTable(result).rows);
  }

  memberAdd({ header, member }: MemberAddResult): void {
    const role = member.isLearner ? " as learner " : " ";
    this.print([`Member ${padId(member.ID)} added${role}to cluster ${padId(header.clusterId)}`]);
  }
  memberChange({ header, id, change }: MemberChanged): void {
    const preposition = change === "removed" ? "from" : "in";
    this.print([`Member ${padId(id)} ${change} ${preposition} cluster ${padId(header.clusterId)}`]);
  }

  /** Prints endpoints that are not healthy to standard error, as etcdctl does. */
  endpointHealth(results: readonly Health[]): void {
    for (const { endpoint, tookMs, error } of results)
      if (error === undefined)
        this.print([`${endpoint} is healthy: successfully committed proposal: took = ${formatDuration(tookMs)}`]);
      else this.io.note(`${endpoint} is unhealthy: failed to commit proposal: ${error}`);
  }

  endpointStatus(results: readonly EndpointStatus[]): void {
    this.printRows(statusTable(results).rows);
  }
  endpointHashKv(results: readonly EndpointHash[]): void {
    this.printRows(hashTable(results).rows);
  }

  moveLeader({ from, to }: LeaderMoved): void {
    this.print([`Leadership transferred from ${memberId(from)} to ${memberId(to)}`]);
  }

  downgrade(action: DowngradeAction, { version }: DowngradeResult): void {
    this.print([`Downgrade ${action} success, cluster version ${version}`]);
  }

  /** Prints alarms with two spaces between the fields, as Go prints its messages. */
  alarms({ alarms }: Alarms): void {
    this.print(alarms.map(({ memberID, alarm }) => `memberID:${memberID}  alarm:${alarmName(alarm)}`));
  }

  authStatus({ enabled, authRevision }: AuthStatusResult): void {
    this.print([`Authentication Status: ${enabled}`, `AuthRevision: ${authRevision}`]);
  }
  authChange(_result: AuthResult, line: string): void {
    this.print([line]);
  }
  userGet({ user, roles }: UserRoles): void {
    this.print([`User: ${user}`, `Roles:${roles.map((role) => ` ${role}`).join("")}`]);
  }
  userList({ users }: AuthResult & { readonly users: readonly string[] }): void {
    this.print(users);
  }
  roleGet({ role, permissions }: RolePermissions): void {
    const linesOf = (type: Permission["type"]) =>
      permissions.filter((each) => each.type === type || each.type === "readwrite").flatMap(permissionLine);
    const text = [Buffer.from(`Role ${role}\nKV Read:\n`), ...linesOf("read"), Buffer.from("KV Write:\n")];
    this.io.print(Buffer.concat([...text, ...linesOf("write")])); // keys are printed unchanged, even with --hex
  }
  roleList({ roles }: AuthResult & { readonly roles: readonly string[] }): void {
    this.print(roles);
  }

  private printRows(rows: readonly (readonly string[])[]): void {
    this.print(rows.map((row) => row.join(", ")));
  }

  /** Prints all lines in one write: there may be too many for a write each. */
  private print(lines: readonly OutputLine[]): void {
    const shown = lines.map((line) => (typeof line === "string" || !this.hex ? line : hexBytes(line)));
    this.io.print(Buffer.concat(shown.flatMap((line) => [Buffer.from(line as Uint8Array), lineEnd])));
  }
}

/** Go's `%16x`. */
const padId = (id: bigint): string => memberId(id).padStart(16);
/** Formats the keys of a permission: a key, `[key, end)`, or `[key, <open ended>`. Keys are bytes, which need not be text. */
function permissionLine({ key, rangeEnd }: Permission): Uint8Array[] {
  const tab = Buffer.from("\t");
  if (rangeEnd.length === 0) return [tab, key, lineEnd];
  const isOpen = rangeEnd.length === 1 && rangeEnd[0] === 0;
  const end = isOpen ? [Buffer.from("<open ended>")] : [rangeEnd, Buffer.from(")")];
  const isPrefix = key.length > 0 && Buffer.compare(prefixEnd(key), rangeEnd) === 0;
  const prefix = isPrefix ? [Buffer.from(" (prefix "), key, Buffer.from(")")] : [];
  return [tab, Buffer.from("["), key, Buffer.from(", "), ...end, ...prefix, lineEnd];
}

const lineEnd = Buffer.from("\n");

const hexBytes = (bytes: Uint8Array): string =>
  Array.from(bytes, (byte) => `\\x${byte.toString(16).padStart(2, "0")}`).join("");

const keyValueLines = ({ key, value }: KeyValue): OutputLine[] => [key, value];

const kvLines: KvForms<OutputLine[]> = {
  get: ({ kvs }) => kvs.flatMap(keyValueLines),
  put: ({ prevKv }) => ["OK", ...(prevKv === undefined ? [] : keyValueLines(prevKv))],
  delete: ({ deleted, prevKvs }) => [String(deleted), ...prevKvs.flatMap(keyValueLines)],
  txn: ({ succeeded, responses }) => [
    succeeded ? "SUCCESS" : "FAILURE",
    ...responses.flatMap((step) => ["", ...stepForm(kvLines, step)]),
  ],
};

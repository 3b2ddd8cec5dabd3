// Tables of members and endpoints, and ids and alarms as text.
import type { AlarmMember, MemberListResult } from "../../../client/index.js";
import { formatBytes, formatDuration } from "../args/index.js";
import type { EndpointHash, EndpointStatus, Health } from "./printer.js";

/** A table; each row has a cell for each column. */
export interface Table {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** Formats a member id as hex digits. */
export const memberId = (id: bigint): string => BigInt.asUintN(64, id).toString(16);

/** Formats a lease id as 16 hex digits; the sign of a negative id replaces a digit, as in Go's `%016x`. */
export const leaseId = (id: bigint): string =>
  id < 0n ? `-${(-id).toString(16).padStart(15, "0")}` : id.toString(16).padStart(16, "0");

const alarmNames: readonly string[] = ["NONE", "NOSPACE", "CORRUPT"];

/** Returns the name of a type of alarm; an unknown type as a number. */
export const alarmName = (type: AlarmMember["alarm"]): string => alarmNames[type] ?? String(type);

/** Returns the table of members. */
export const memberTable = ({ members }: MemberListResult): Table => ({
  columns: ["ID", "STATUS", "NAME", "PEER ADDRS", "CLIENT ADDRS", "IS LEARNER"],
  rows: members.map(({ ID, name, peerURLs, clientURLs, isLearner }) => {
    const state = name === "" ? "unstarted" : "started";
    return [memberId(ID), state, name, peerURLs.join(","), clientURLs.join(","), String(isLearner)];
  }),
});

/** Returns the table of health checks. */
export const healthTable = (results: readonly Health[]): Table => ({
  columns: ["ENDPOINT", "HEALTH", "TOOK", "ERROR"],
  rows: results.map(({ endpoint, healthy, tookMs, error = "" }) => [
    endpoint,
    String(healthy),
    formatDuration(tookMs),
    error,
  ]),
});

/** Returns the table of statuses. */
export const statusTable = (results: readonly EndpointStatus[]): Table => ({
  columns: [
    ...["ENDPOINT", "ID", "VERSION", "STORAGE VERSION", "DB SIZE", "IN USE", "PERCENTAGE NOT IN USE", "QUOTA"],
    ...["IS LEADER", "IS LEARNER", "RAFT TERM", "RAFT INDEX", "RAFT APPLIED INDEX", "ERRORS"],
    ...["DOWNGRADE TARGET VERSION", "DOWNGRADE ENABLED"],
  ],
  rows: results.map((status) => {
    const { endpoint, header, version, storageVersion, leader, isLearner, downgradeInfo } = status;
    const raft = [leader === header.memberId, isLearner, status.raftTerm, status.raftIndex, status.raftAppliedIndex];
    const downgrade = [downgradeInfo?.targetVersion ?? "", downgradeInfo?.enabled ?? false];
    const member = [endpoint, memberId(header.memberId), version, storageVersion];
    return [...member, ...sizeCells(status), ...raft, status.errors.join(", "), ...downgrade].map(String);
  }),
});

/**
 * Returns the cells of the database's sizes. The percentage not in use is calculated as in etcdctl: 100 minus the whole percents
 * in use.
 */
function sizeCells({ dbSize, dbSizeInUse, dbSizeQuota }: EndpointStatus): readonly string[] {
  const inUse = dbSize === 0 ? 0 : Math.floor((dbSizeInUse * 100) / dbSize);
  return [formatBytes(dbSize), formatBytes(dbSizeInUse), `${100 - inUse}%`, formatBytes(dbSizeQuota)];
}

/** Returns the table of hashes. */
export const hashTable = (results: readonly EndpointHash[]): Table => ({
  columns: ["ENDPOINT", "HASH", "HASH REVISION"],
  rows: results.map(({ endpoint, hash, hashRevision }) => [endpoint, String(hash), String(hashRevision)]),
});

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

/** 16 digits; of a negative one, the sign is one of them, as in Go's `%016x`. */
export const leaseId = (id: bigint): string =>
  id < 0n ? `-${(-id).toString(16).padStart(15, "0")}` : id.toString(16).padStart(16, "0");

const alarmNames: readonly string[] = ["NONE", "NOSPACE", "CORRUPT"];

/** A number that has no name here is shown as it is. */
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

/** Returns the table of statuses, with the columns of etcdctl 3.4: no storage version, quota or downgrades. */
export const statusTable = (results: readonly EndpointStatus[]): Table => ({
  columns: [
    ...["ENDPOINT", "ID", "VERSION", "DB SIZE", "IS LEADER", "IS LEARNER"],
    ...["RAFT TERM", "RAFT INDEX", "RAFT APPLIED INDEX", "ERRORS"],
  ],
  rows: results.map((status) => {
    const { endpoint, header, version, dbSize, leader, isLearner, raftTerm, raftIndex, raftAppliedIndex } = status;
    const columns = [endpoint, memberId(header.memberId), version, formatBytes(dbSize), leader === header.memberId];
    return [...columns, isLearner, raftTerm, raftIndex, raftAppliedIndex, status.errors.join(", ")].map(String);
  }),
});

/** Returns the table of hashes. */
export const hashTable = (results: readonly EndpointHash[]): Table => ({
  columns: ["ENDPOINT", "HASH"],
  rows: results.map(({ endpoint, hash }) => [endpoint, String(hash)]),
});

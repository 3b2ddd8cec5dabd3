// The comparable part of answers to calls, and the known differences between them, each with a row in docs/differences.md.
import { isDeepStrictEqual } from "node:util";
import type { JsonObject, JsonValue } from "@bufbuild/protobuf";
import { type Call, type Reply, requestJson } from "./calls.js";
import type { Known } from "./masks.js";
import type { Revisions } from "./revisions.js";

/** Fields that differ between clusters or over time. */
const passing = new Set([
  ...["cluster_id", "member_id", "raft_term", "raftTerm", "raftIndex", "raftAppliedIndex", "dbSize", "dbSizeInUse"],
  ...["leader_id", "peerURLs", "clientURLs"],
]);

const isObject = (value: JsonValue | undefined): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);

function omitPassing(value: JsonValue): JsonValue {
  if (Array.isArray(value)) return value.map(omitPassing);
  if (!isObject(value)) return value;
  const entries = Object.entries(value).map(([name, inner]) => [name, passing.has(name) ? "…" : omitPassing(inner)]);
  return Object.fromEntries(entries) as JsonObject;
}

/** Seconds of a lease's TTL that may have passed before a request. */
const maxUsedSeconds = 60;

/** Replaces the parts of an answer that describe the server itself, by method. */
const ownParts: Readonly<Record<string, (message: JsonObject) => JsonObject>> = {
  Status: (message) => ({
    ...message,
    leader: "…",
    // Go's text form of a message has one or two spaces between fields, depending on the program.
    errors: texts(message["errors"])
      .map((text) => text.replaceAll(/ +/g, " ").replaceAll(/memberID:\d{3,}/g, "memberID:ME"))
      .sort(),
  }),
  Hash: (message) => ({ ...message, hash: "…" }),
  MemberList: (message) => ({ ...message, members: objects(message["members"]).map((m) => ({ ...m, ID: "…" })) }),
  Alarm: (message) => ({ ...message, alarms: objects(message["alarms"]).map(showAlarm).sort() }),
  LeaseTimeToLive: (message) => {
    const [left, granted] = [Number(message["TTL"]), Number(message["grantedTTL"])];
    const used = granted - left;
    return {
      ...message,
      keys: texts(message["keys"]).sort(),
      ...(used >= 0 && used < maxUsedSeconds ? { TTL: "…" } : {}),
    };
  },
};
const texts = (value: JsonValue | undefined): string[] => (Array.isArray(value) ? value.map(String) : []);
const objects = (value: JsonValue | undefined): JsonObject[] => (Array.isArray(value) ? value.filter(isObject) : []);
/** Returns a number, which is a text in JSON; 0 if it is absent. */
const textOf = (value: JsonValue | undefined): string => (typeof value === "string" ? value : "0");
const showAlarm = ({ memberID, alarm }: JsonObject): string => {
  const id = textOf(memberID);
  return `${id.length > 3 ? "ME" : id} ${textOf(alarm)}`;
};

const methodOf = ({ path }: Call): string => path.slice(path.lastIndexOf("/") + 1);

/** Returns the comparable part of an answer. */
export function comparableReplyOf(call: Call, reply: Reply): Reply {
  const own = ownParts[methodOf(call)] ?? ((message: JsonObject) => message);
  const messages = reply.messages.map(omitPassing).map((message) => (isObject(message) ? own(message) : message));
  return { ...reply, messages };
}

export interface CallMask extends Known {
  /**
   * Tells whether the answers differ in this way, and in no other.
   * @param at the revisions when the call was sent
   */
  readonly hides: (call: Call, etcd: Reply, ours: Reply, at: Revisions) => boolean;
}

const fieldOf = (call: Call, name: string): JsonValue | undefined => {
  const json = requestJson(call);
  return isObject(json) ? json[name] : undefined;
};
const headers = (reply: Reply) => reply.messages.map((message) => (isObject(message) ? message["header"] : undefined));

export const callMasks: readonly CallMask[] = [
  {
    name: "a TTL that is too large while the cluster is corrupt",
    row: "LeaseGrant with a TTL that is too large, while the alarm CORRUPT is active",
    hides: (call, etcd, ours) =>
      methodOf(call) === "LeaseGrant" &&
      etcd.details === "etcdserver: corrupt cluster" &&
      ours.details === "etcdserver: too large lease TTL",
  },
  {
    name: "hash that was stored at a compaction",
    row: "HashKV of a revision up to a compaction, 0 included",
    hides: (call, etcd, ours, { compacted }) =>
      methodOf(call) === "HashKV" &&
      BigInt(textOf(fieldOf(call, "revision"))) <= compacted &&
      etcd.code === 0 &&
      (ours.code !== 0 || isDeepStrictEqual(headers(etcd), headers(ours))),
  },
  {
    name: "chunks that are sorted by something else than the key",
    row: "RangeStream: a sort target without an order",
    hides: (call, etcd, ours) =>
      methodOf(call) === "RangeStream" &&
      fieldOf(call, "sortTarget") !== undefined &&
      etcd.code === 0 &&
      ours.code === 0,
  },
  {
    name: "alarm of an unknown type",
    row: "active alarms",
    hides: (call, etcd, ours) =>
      methodOf(call) === "Alarm" && etcd.code === 0 && ours.details === "etcdserver: invalid alarm",
  },
  {
    name: "malformed request while the store is full",
    row: "the same: a malformed request while the store is full",
    hides: (_call, etcd, ours) =>
      etcd.details === "etcdserver: mvcc: database space exceeded" && [3, 5, 9, 11].includes(ours.code),
  },
];

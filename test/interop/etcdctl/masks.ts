// Differences that are allowed between two programs or two servers: each mask with its reason.

import type { EtcdCluster } from "../../support/etcd-process.js";
import type { Answer } from "./ctl.js";

interface Mask {
  readonly name: string;
  readonly why: string;
  readonly on: "stdout" | "stderr" | "both";
  readonly apply: (text: string) => string;
}

const replaceWith =
  (pattern: RegExp, replacement: string) =>
  (text: string): string =>
    text.replaceAll(pattern, replacement);

/** Decodes text in which each character is a byte. */
const characters = (text: string): string => Buffer.from(text, "latin1").toString("utf8");

/** Keeps the lines for which `keep` is true, sorted and without duplicates. */
const lines = (text: string, keep: (line: string) => boolean): string => {
  const kept = text.split("\n").filter((line) => line !== "" && keep(line));
  return [...new Set(kept)].sort().join("\n");
};

const masks: readonly Mask[] = [
  {
    name: "decimal ids",
    why: "a member's id follows from its peer URLs, and ports differ in each run",
    on: "stdout",
    apply: (text) =>
      text
        .replaceAll(/"(cluster_id|member_id|leader|ID)":\d+/g, '"$1":ID')
        .replaceAll(/"(cluster_id|member_id|ID)":"[\da-f]+"/g, '"$1":HEX'),
  },
  {
    name: "hex ids",
    why: "the same",
    on: "stdout",
    apply: replaceWith(/^((?:(?:http:\/\/)?EP\d, )?)[\da-f]{8,16}, (?=started|\d+\.)/gm, "$1ID, "),
  },
  {
    name: "raft",
    why: "terms count elections, indexes what else is in the log: both are a server's own affair",
    on: "stdout",
    apply: replaceWith(/"(raft_term|raftTerm|raftIndex|raftAppliedIndex)":\d+/g, '"$1":N'),
  },
  {
    name: "status columns",
    why: "version, size on disk, which member leads, term and indexes are not the same in any two clusters",
    on: "stdout",
    apply: replaceWith(
      /^(\S+, ID), [\d.]+, (?:[\d.]+, )?[\d.]+ [kM]?B, (?:[\d.]+ [kM]?B, \d+%, [\d.]+ [kMG]?B, )?(?:true|false), false, \d+, \d+, \d+, /gm,
      "$1, STATUS, ",
    ),
  },
  {
    name: "sizes and versions in JSON",
    why: "they depend on how a server keeps its data, and on which server it is",
    on: "stdout",
    apply: (text) =>
      text
        .replaceAll(/,"dbSizeQuota":\d+/g, "")
        .replaceAll(
          /"(?:version":"[\d.]+"|(dbSize|dbSizeInUse)":\d+|(storageVersion)":"[\d.]+")/g,
          '"$1$2 of the server"',
        ),
  },
  {
    name: "program version",
    why: "the two programs have their own",
    on: "stdout",
    apply: replaceWith(/^(?:mini)?etcdctl version: [\d.]+\nAPI version: [\d.]+$/gm, "VERSION"),
  },
  {
    name: "durations",
    why: "no two requests take the same time",
    on: "both",
    apply: replaceWith(/((?:took = |"took":"|\. took ))[\d.]+(?:ns|µs|\xc2\xb5s|ms|s)/g, "$1TIME"),
  },
  {
    name: "fields",
    why: "as in JSON: ids, terms, indexes, sizes, versions and times",
    on: "stdout",
    apply: (text) =>
      text
        .replaceAll(
          /^"(Leader|RaftTerm|RaftIndex|RaftAppliedIndex|DBSize|DBSizeInUse|DBSizeQuota)" : \d+$/gm,
          '"$1" : N',
        )
        .replaceAll(/^"(ClusterID|MemberID)" : \d+$/gm, '"$1" : ID')
        .replaceAll(/^"(ClusterID|MemberID)" : (?!ID|0$)[\da-f]+$/gm, '"$1" : HEX')
        .replaceAll(/^"ID" : \d+(?=\n"Name")/gm, '"ID" : ID')
        .replaceAll(/^"ID" : [\da-f]+(?=\n"Name")/gm, '"ID" : HEX')
        .replaceAll(/^"(Version|StorageVersion)" : "[\d.]+"$/gm, '"$1" of the server')
        .replaceAll(/^"Took" : \S+$/gm, '"Took" : TIME'),
  },
  {
    name: "tables",
    why: "the same in columns, whose widths follow",
    on: "stdout",
    apply: (text) =>
      !/^(?:\+-|\xe2\x94\x8c)/.test(text)
        ? text
        : characters(text)
            .replaceAll(/[-─]+/g, "-")
            .replaceAll(/ +/g, " ")
            .replaceAll(
              /([|│]) (EP\d) [|│] [\da-f]+ [|│] [\d.]+ [|│] (?:[\d.]+ [|│] )?[\d.]+ [kM]?B [|│] (?:[\d.]+ [kM]?B [|│] \d+% [|│] [\d.]+ [kMG]?B [|│] )?(?:true|false) [|│] false (?:[|│] \d+ ){3}/g,
              "$1 $2 STATUS ",
            )
            .replaceAll(/^([|│]) [\da-f]+ [|│] started/gm, "$1 ID $1 started")
            .replaceAll(/([|│]) [\d.]+(?:µs|ms|s) [|│]/g, "$1 TIME $1"),
  },
  {
    name: "keys of locks and elections",
    why: "they end in the id of a lease that no line of the script has granted",
    on: "stdout",
    apply: replaceWith(/^([le]\/)[\da-f]{1,16}$/gm, "$1LEASE"),
  },
  {
    name: "time left",
    why: "steps take their time",
    on: "stdout",
    apply: (text) =>
      text
        .replaceAll(/(?<=remaining\()\d+(?=s\))/g, "N")
        .replaceAll(/(?<="ttl":)\d+/g, "N")
        .replaceAll(/(?<="TTL" : )\d+(?=\n"GrantedTTL")/g, "N"),
  },
  {
    name: "repeated renewals",
    why: "how often a lease is renewed until it is gone depends on when that is",
    on: "stdout",
    apply: replaceWith(/^(lease \S+ keepalived with TTL\(\d+\)\n)\1+/gm, "$1"),
  },
  {
    name: "health order",
    why: "endpoints are listed in the order of their answers",
    on: "stdout",
    apply: (text) =>
      text.startsWith('[{"endpoint":')
        ? text
            .trim()
            .slice(1, -1)
            .split(/(?<=\}),/)
            .sort()
            .join()
        : / is (?:un)?healthy: /.test(text)
          ? lines(text, () => true)
          : text,
  },
  {
    name: "member order",
    why: "members are listed by id, which ports decide",
    on: "stdout",
    apply: (text) => (/^(?:ID, started|http:)/.test(text) ? lines(text, () => true) : text),
  },
  {
    name: "help",
    why: "each program has its own; etcdctl prints its help with errors in flags, too",
    on: "stdout",
    apply: (text) => (/^(?:NAME:\n|Usage: minietcdctl)|^Use "etcdctl options" for a list/m.test(text) ? "HELP" : text),
  },
  {
    name: "usage and warnings",
    why: "Go's client logs each failure as JSON beside the error, and stty complains of no terminal; minietcdctl warns in words; both point to their help",
    on: "stderr",
    apply: (text) =>
      lines(
        text,
        (line) =>
          !/^(?:\{"level":"warn"|Warning: |Run '|Reason: |Did you mean this\?|\t| {2,}|Usage:|Flags:|INFO: |WARNING: |stty: |\d{4}\/|\}|[\w -]+ commands$|Use ")/.test(
            line,
          ),
      ),
  },
  {
    name: "no quorum",
    why: "etcd 3.4 answers with another code than 3.6, and which of several timeouts is over first is a race",
    on: "both",
    apply: replaceWith(
      /rpc error: code = Unknown desc = context deadline exceeded|etcdserver: request timed out[\w, ]*/g,
      "context deadline exceeded",
    ),
  },
  {
    name: "flag log",
    why: "etcdctl logs what is wrong with variables, with a time; minietcdctl has its usual form",
    on: "stderr",
    apply: (text) =>
      lines(
        text
          .replaceAll(/^\d{4}-\d\d-\d\d [\d:.]+ C \| pkg\/flags: /gm, "Error: ")
          .replaceAll(
            /^\{"level":"fatal".*"msg":"(conflicting environment variable) (.*)\)","environment-variable":"(\w+)".*$/gm,
            'Error: $1 "$3" $2',
          ),
        (line) => !line.includes(" W | pkg/flags: "),
      ).replaceAll(/^Error: (unsupported API version)/gm, "$1"),
  },
  {
    name: "program name",
    why: "the two programs have their own",
    on: "stderr",
    apply: replaceWith(/\bminietcdctl\b/g, "etcdctl"),
  },
];

const decimal = (lease: string) => BigInt(`0x${lease}`).toString();

/** Replaces addresses and leases by names, then applies every mask in order. */
export function maskAnswer(
  { stdout, stderr, exitCode }: Answer,
  cluster: EtcdCluster,
  leases: readonly string[],
): Answer {
  const mask = (text: string, stream: "stdout" | "stderr") => {
    let result = text;
    for (const [position, { endpoint, peerUrl }] of cluster.members.entries())
      result = result.replaceAll(endpoint, `EP${position + 1}`).replaceAll(peerUrl, `PEER${position + 1}`);
    for (const [position, lease] of leases.entries())
      result = result.replaceAll(lease, `LEASE${position + 1}`).replaceAll(decimal(lease), `"LEASE${position + 1}"`);
    for (const { on, apply } of masks) if (on === stream || on === "both") result = apply(result);
    return result;
  };
  const out = mask(stdout, "stdout");
  // etcdctl prints the help after an error only to standard output.
  return { stdout: out === "HELP" && exitCode !== 0 ? "" : out, stderr: mask(stderr, "stderr"), exitCode };
}

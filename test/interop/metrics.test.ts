// Metrics pages of etcd 3.7 and minietcd, read by Prometheus's parser for Python: equal names, types, labels and buckets, as
// docs/metrics.md says.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { eventually } from "../support/deadline.js";
import { patientClient } from "../support/patient-client.js";
import { startEtcdCluster, type EtcdCluster, type ServerKind } from "../support/etcd-process.js";

const page = new URL("../../docs/metrics.md", import.meta.url);
const script = fileURLToPath(new URL("python/metrics.py", import.meta.url));

/** Runs a program with a text as input. Resolves to its output. */
const output = (program: string, args: readonly string[], input: string): Promise<string> =>
  new Promise((resolve, reject) => {
    const child = execFile(program, args, { maxBuffer: 16 * 1024 * 1024 }, (error, stdout, stderr) => {
      // promtool exits with 3 if it has only advice.
      if (error !== null && error.code !== 3) reject(new Error(stderr, { cause: error }));
      else resolve(stdout + stderr);
    });
    child.stdin?.end(input);
  });

interface Family {
  readonly name: string;
  readonly type: string;
  readonly labels: readonly string[];
  readonly bounds: readonly string[];
}

const parse = async (text: string): Promise<ReadonlyMap<string, Family>> => {
  const lines = (await output("/usr/bin/python3", [script], text)).split("\n").filter((line) => line.startsWith("{"));
  return new Map(lines.map((line) => JSON.parse(line) as Family).map((family) => [family.name, family]));
};

const scrape = async (cluster: EtcdCluster, member: number): Promise<string> =>
  (await fetch(`http://${cluster.member(member).endpoint}/metrics`)).text();

/** Makes requests of several kinds, so that there are samples of requests. */
const work = async ({ endpoints }: EtcdCluster): Promise<void> => {
  await using client = patientClient({ endpoints });
  await client.kv.put("k", "v");
  await client.kv.get("k");
  await client.kv.delete("k");
};

/** Returns the metrics page of the leader of three members, after some requests. */
const scrapeLeader = async (kind: ServerKind): Promise<string> => {
  await using cluster = await startEtcdCluster({ kind, members: 3 });
  await work(cluster);
  return await eventually(30_000, "heartbeats of a leader to be measured", async () => {
    const texts = await Promise.all([0, 1, 2].map((member) => scrape(cluster, member)));
    return texts.find(
      (text) => /^etcd_server_is_leader 1$/m.test(text) && /^etcd_network_peer_round_trip.*_count\S* [1-9]/m.test(text),
    );
  });
};

/** Counters that etcd shows only after the first event. */
const sinceFirstEvent = [
  ...["etcd_network_disconnected_peers_total", "etcd_network_peer_sent_failures_total"],
  ...["etcd_network_peer_received_failures_total", "etcd_debugging_server_alarms"],
];

/** Tells whether a metric is of the runtime, Go or Node. */
const isOfRuntime = (name: string): boolean => /^(go|nodejs)_/.test(name);

/** Matches the names in a table of the page, one of which may stand for several: `etcd_snap_*`, `etcd_server_{version,id}`. */
const namesOf = (table: string): RegExp => {
  const names = [...table.matchAll(/^\| (.*?) \|/gm)].flatMap(([, cell = ""]) =>
    [...cell.matchAll(/`([^`]+)`/g)].map(([, name = ""]) => name),
  );
  const alternatives = (inner: string): string => `(${inner.replaceAll(",", "|")})`;
  const patterns = names.map((name) =>
    name.replaceAll("*", ".*").replaceAll(/\{(.*?)\}/g, (_, inner: string) => alternatives(inner)),
  );
  return new RegExp(`^(${patterns.join("|")})(_total)?$`); // the parser adds `_total` to every counter
};

/** Lists the numbers and texts in a JSON object as `path: type`. */
const fieldsOf = (value: unknown, path = ""): string[] => {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return [`${path}: ${typeof value}`];
  return Object.entries(value).flatMap(([name, inner]) => fieldsOf(inner, `${path}/${name}`));
};

const variables = async (kind: ServerKind): Promise<string[]> => {
  await using cluster = await startEtcdCluster({ kind });
  const response = await fetch(`http://${cluster.member(0).endpoint}/debug/vars`);
  assert.equal(response.headers.get("content-type"), "application/json; charset=utf-8");
  return fieldsOf(await response.json());
};

test("each of the variables is one of etcd's", async () => {
  const [theirs, ours] = await Promise.all([variables("etcd-3.7"), variables("minietcd")]);
  assert.equal(ours.length, 12);
  assert.deepEqual(
    ours.filter((field) => !theirs.includes(field)),
    [],
  );
});

test("metrics have etcd's names, types, labels and buckets, and omitted ones are listed", async () => {
  const texts = await Promise.all([scrapeLeader("etcd-3.7"), scrapeLeader("minietcd")]);
  const [theirs, ours] = await Promise.all([parse(texts[0]), parse(texts[1])]);
  for (const [name, family] of ours)
    if (!isOfRuntime(name) && (theirs.has(name) || !sinceFirstEvent.includes(name)))
      assert.deepEqual(family, theirs.get(name), name);
  const [, there = "", leftOut = ""] = (await readFile(page, "utf8")).split(/^## etcd's names$|^Omitted:$/m);
  const missing = [...theirs.keys()].filter((name) => !ours.has(name));
  assert.deepEqual(
    missing.filter((name) => !namesOf(leftOut).test(name)),
    [],
    "listed as left out",
  );
  assert.deepEqual(
    [...ours.keys()].filter((name) => !namesOf(there).test(name)),
    [],
    "listed as there",
  );
  const advice = await Promise.all(texts.map((text) => output("promtool", ["check", "metrics"], text)));
  const [of37 = "", own = ""] = advice;
  const known = new Set(of37.split("\n"));
  assert.deepEqual(
    own.split("\n").filter((line) => !known.has(line)),
    [],
    "promtool has no other advice than for etcd",
  );
});

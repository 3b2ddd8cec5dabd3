// h2spec, a widely used conformance test of HTTP/2 servers, against the client port.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import test from "node:test";
import { pathOfTool } from "../../support/built-tools.js";
import { startCluster, type ClusterMember } from "../../support/minietcd-cluster.js";
import { unfulfilled, varying } from "./unfulfilled.js";
import { patientClient } from "../../support/patient-client.js";

/** h2spec's timeout for an answer. Cases that expect none take as long. */
const answerSeconds = 4;

/**
 * Runs all cases, some of which may fail.
 * @returns the report as JUnit's XML
 */
const runH2spec = async (address: string, report: string): Promise<string> => {
  const [host = "", port = ""] = address.split(":");
  const args = ["--host", host, "--port", port, "--timeout", String(answerSeconds), "--junit-report", report];
  await new Promise<void>((resolve) => execFile(pathOfTool("h2spec/h2spec"), args, () => resolve()));
  return readFile(report, "latin1"); // the report may contain bytes of the server
};

const testCase = /<testcase package="([^"]*)" classname="([^"]*)"[^>]*>(.*?)<\/testcase>/gs;

/** Returns the cases of a report, by section and title. */
const casesOf = (report: string): Map<string, "passed" | "failed" | "skipped"> =>
  new Map(
    [...report.matchAll(testCase)].map(([, section = "", title = "", content = ""]) => [
      `${section}: ${title.replaceAll("&#34;", '"')}`,
      /<(failure|error)/.test(content) ? "failed" : content.includes("<skipped") ? "skipped" : "passed",
    ]),
  );

/** Checks that the member still runs and serves clients. */
const assertServes = async (member: ClusterMember, pid: number): Promise<void> => {
  assert.equal(member.running.pid, pid);
  await using client = patientClient({ endpoints: [member.address] });
  await client.kv.put("k", "v");
  assert.equal(await client.kv.getText("k"), "v");
};

const casesNotPassed = (cases: ReadonlyMap<string, string>): string[] =>
  [...cases].filter(([, outcome]) => outcome !== "passed").map(([name, outcome]) => `${outcome} ${name}`);

test("h2spec's cases all pass on the native engine", async () => {
  // A limit of streams, because one case is skipped without a limit that it can reach.
  const flags = ["--rpc-engine=native", "--max-concurrent-streams=100"];
  await using cluster = await startCluster({ members: 1, flags });
  const member = cluster.member(0);
  const { pid } = member.running;
  const cases = casesOf(await runH2spec(member.address, join(cluster.folder, "h2spec.xml")));
  assert.equal(cases.size, 145);
  assert.deepEqual(casesNotPassed(cases), []);
  await assertServes(member, pid);
});

test("h2spec's cases pass on grpc-js, except those that are listed with a reason", async () => {
  await using cluster = await startCluster({ members: 1, flags: ["--rpc-engine=grpc-js"] });
  const member = cluster.member(0);
  const { pid } = member.running;
  const cases = casesOf(await runH2spec(member.address, join(cluster.folder, "h2spec.xml")));
  assert.equal(cases.size, 145);
  for (const name of Object.keys(varying)) assert.ok(cases.delete(name), `h2spec has no case ${name}`);
  assert.deepEqual(casesNotPassed(cases).sort(), Object.keys(unfulfilled).sort());
  await assertServes(member, pid);
});

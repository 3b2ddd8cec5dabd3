// Programs on Go's clientv3 print the same on etcd and on minietcd, also while leaders are killed.

import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { endWithTests } from "../../support/child-processes.js";
import { eventually } from "../../support/deadline.js";
import { startEtcdCluster, type EtcdCluster, type EtcdMember, type ServerKind } from "../../support/etcd-process.js";
import { tempFolder } from "../../support/temp-folder.js";
import { scaledMs, slowness } from "../../support/machine-speed.js";
import { patientClient } from "../../support/patient-client.js";

/** Debian's, as is the library that it compiles; the PATH may lead to another one. */
const go = "/usr/bin/go";
/** Debian's folder of the sources of Go libraries, clientv3 among them. */
const debianSources = "/usr/share/gocode";
const workspace = fileURLToPath(new URL(".", import.meta.url));
/** With nothing in Go's cache, it compiles its own library, too. */
const buildTimeoutMs = 300_000;
const leaderTimeoutMs = 20_000;
const probeTimeoutMs = 1_000;
const members = 3;

/** Changes the cluster while the program pauses. */
type AtPause = (cluster: EtcdCluster) => Promise<void>;

async function build(program: string): Promise<void> {
  const { PATH, HOME } = process.env;
  const env = { PATH, HOME, GO111MODULE: "off", GOPATH: `${workspace}:${debianSources}`, CGO_ENABLED: "0" };
  await promisify(execFile)(go, ["build", "-o", program, "services"], { env, timeout: scaledMs(buildTimeoutMs) });
}

/** Runs the program on a fresh cluster, and gives the lines that it prints. It has a deadline of its own. */
async function transcript(program: string, kind: ServerKind, atPause: AtPause): Promise<string[]> {
  await using cluster = await startEtcdCluster({ kind, members });
  const child = endWithTests(
    spawn(program, ["-endpoints", cluster.endpoints.join(","), `-slowness=${slowness()}`], { env: {} }),
  );
  const lines: string[] = [];
  let stderr = "";
  try {
    child.stdin.on("error", () => undefined); // it may end while it is paused
    child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
    const ended = once(child, "close") as Promise<[number | null]>;
    for await (const line of createInterface({ input: child.stdout })) {
      lines.push(line);
      if (line !== "pause") continue;
      await atPause(cluster);
      child.stdin.write("\n");
    }
    const [exitCode] = await ended;
    assert.equal(exitCode, 0);
    return lines;
  } catch (error) {
    throw new Error([`services on ${kind}`, ...lines, stderr].join("\n"), { cause: error });
  } finally {
    child.kill("SIGKILL");
  }
}

const goOn: AtPause = () => Promise.resolve();

/** Kills the leader; whoever was killed at the pause before comes back first, so that two of three remain. */
const killLeader: AtPause = async (cluster) => {
  await cluster.start();
  const leader = await eventually(leaderTimeoutMs, "a leader", () => findLeader(cluster));
  await leader.stop("SIGKILL");
};

async function findLeader(cluster: EtcdCluster): Promise<EtcdMember | undefined> {
  await using client = patientClient({ endpoints: cluster.endpoints });
  for (const member of cluster.members) {
    const { header, leader } = await client.maintenance.status(member.endpoint, {
      timeoutMs: scaledMs(probeTimeoutMs),
    });
    if (leader === header.memberId) return member;
  }
  return undefined;
}

// Each mostly waits for leases and watches: they run beside each other.
describe("a program on Go's clientv3", { concurrency: true }, () => {
  let folder: Awaited<ReturnType<typeof tempFolder>>;
  let program: string;
  let expected: Promise<string[]>;
  before(async () => {
    folder = await tempFolder();
    program = join(folder.path, "services");
    await build(program);
    expected = transcript(program, "etcd", goOn);
    expected.catch(() => undefined); // each test that needs it tells
  });
  after(() => folder[Symbol.asyncDispose]());

  test("prints the expected lines on etcd", async () => {
    assert.equal((await expected).at(-1), "== done");
  });

  test("prints the same on etcd and on minietcd", async () => {
    assert.deepEqual(await transcript(program, "minietcd", goOn), await expected);
  });

  test("prints the same while leaders of minietcd are killed", async () => {
    assert.deepEqual(await transcript(program, "minietcd", killLeader), await expected);
  });
});

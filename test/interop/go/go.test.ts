// Programs on Go's clientv3 have the same output on etcd and minietcd, also while leaders are killed.

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
import { lengthen, scaleMs, slowness } from "../../support/machine-speed.js";
import { patientClient } from "../../support/patient-client.js";

/** Debian's Go, for Debian's libraries; the PATH may have another one. */
const go = "/usr/bin/go";
/** Debian's folder with the sources of Go libraries, including clientv3. */
const debianSources = "/usr/share/gocode";
const workspace = fileURLToPath(new URL(".", import.meta.url));
/** Timeout with an empty Go cache, when Go compiles its standard library, too. */
const buildTimeoutMs = 300_000;
const leaderTimeoutMs = 20_000;
const probeTimeoutMs = 1_000;
const members = 3;
/** TTL of leases that outlive a leader, in seconds. All programs print it, so it is the same for all. */
const serviceTtl = lengthen(5);

/** Changes the cluster while the program pauses. */
type AtPause = (cluster: EtcdCluster) => Promise<void>;

async function build(program: string): Promise<void> {
  const { PATH, HOME } = process.env;
  const env = { PATH, HOME, GO111MODULE: "off", GOPATH: `${workspace}:${debianSources}`, CGO_ENABLED: "0" };
  await promisify(execFile)(go, ["build", "-o", program, "services"], { env, timeout: scaleMs(buildTimeoutMs) });
}

/** Runs the program on a fresh cluster. Returns the lines of its output. The program has a deadline of its own. */
async function transcript(program: string, kind: ServerKind, atPause: AtPause): Promise<string[]> {
  await using cluster = await startEtcdCluster({ kind, members });
  const child = endWithTests(
    spawn(program, ["-endpoints", cluster.endpoints.join(","), `-slowness=${slowness()}`, `-ttl=${serviceTtl}`], {
      env: {},
    }),
  );
  const lines: string[] = [];
  let stderr = "";
  try {
    child.stdin.on("error", () => undefined); // the program may end while it is paused
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

/** Kills the leader. The member killed at the previous pause is restarted before, so that two of three remain. */
const killLeader: AtPause = async (cluster) => {
  await cluster.start();
  const leader = await eventually(leaderTimeoutMs, "a leader", () => findLeader(cluster));
  await leader.stop("SIGKILL");
};

async function findLeader(cluster: EtcdCluster): Promise<EtcdMember | undefined> {
  await using client = patientClient({ endpoints: cluster.endpoints });
  for (const member of cluster.members) {
    const { header, leader } = await client.maintenance.status(member.endpoint, {
      timeoutMs: scaleMs(probeTimeoutMs),
    });
    if (leader === header.memberId) return member;
  }
  return undefined;
}

// Concurrent, because each program mostly waits for leases and watches.
describe("a program on Go's clientv3", { concurrency: true }, () => {
  let folder: Awaited<ReturnType<typeof tempFolder>>;
  let program: string;
  let expected: Promise<string[]>;
  before(async () => {
    folder = await tempFolder();
    program = join(folder.path, "services");
    await build(program);
    expected = transcript(program, "etcd", goOn);
    expected.catch(() => undefined); // each test that awaits it reports the failure
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

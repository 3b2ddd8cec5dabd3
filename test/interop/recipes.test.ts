// Locks and elections of etcdctl, which uses Go's client, and of ours exclude each other, on etcd and minietcd.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { describe, test } from "node:test";
import { toText } from "../../client/index.js";
import { endWithTests } from "../support/child-processes.js";
import { eventually, within } from "../support/deadline.js";
import { startEtcdCluster, type ServerKind } from "../support/etcd-process.js";
import { patientClient } from "../support/patient-client.js";

const deadlineMs = 20_000;

/** Starts an etcdctl that runs until it is interrupted. */
function etcdctl(endpoint: string, ...args: string[]) {
  const env = { PATH: process.env["PATH"], ETCDCTL_API: "3" };
  const stdio = ["ignore", "pipe", "inherit"] as const;
  const child = endWithTests(spawn("etcdctl", [`--endpoints=${endpoint}`, ...args], { env, stdio: [...stdio] }));
  const lines: AsyncIterator<string, undefined> = createInterface(child.stdout)[Symbol.asyncIterator]();
  const exited = once(child, "exit");
  return {
    async line(): Promise<string> {
      const { value } = await within(deadlineMs, `a line of etcdctl ${args.join(" ")}`, lines.next());
      return value ?? assert.fail("etcdctl has ended");
    },
    async [Symbol.asyncDispose]() {
      child.kill("SIGINT");
      await within(deadlineMs, `the end of etcdctl ${args.join(" ")}`, exited);
    },
  };
}

async function connect(kind: ServerKind) {
  const cluster = await startEtcdCluster({ kind });
  const { endpoint } = cluster.member(0);
  const client = patientClient({ endpoints: [endpoint] });
  const keysInLine = (name: string, count: number) =>
    eventually(deadlineMs, `${count} in line`, async () => {
      const line = await client.kv.get(`${name}/`, { prefix: true });
      return line.count === count || undefined;
    });
  const dispose = async () => {
    await client.close();
    await cluster[Symbol.asyncDispose]();
  };
  return { client, endpoint, keysInLine, [Symbol.asyncDispose]: dispose };
}

for (const kind of ["etcd", "minietcd"] as const)
  describe(`on ${kind}`, () => {
    test("a lock held by one client makes the other wait, in either order", async () => {
      await using pair = await connect(kind);
      const { client, endpoint, keysInLine } = pair;
      const theirs = etcdctl(endpoint, "lock", "locks/x");
      assert.match(await theirs.line(), /^locks\/x\/[0-9a-f]+$/);
      assert.equal(await client.tryLock("locks/x"), undefined);
      const waiting = client.lock("locks/x");
      await keysInLine("locks/x", 2);
      await theirs[Symbol.asyncDispose]();
      const ours = await within(deadlineMs, "our lock", waiting);
      await using next = etcdctl(endpoint, "lock", "locks/x");
      await keysInLine("locks/x", 2);
      await ours.release();
      assert.match(await next.line(), /^locks\/x\/[0-9a-f]+$/);
    });

    test("two candidates lead one after the other, and both see the leader", async () => {
      await using pair = await connect(kind);
      const { client, endpoint, keysInLine } = pair;
      const election = client.election("jobs");
      const theirs = etcdctl(endpoint, "elect", "jobs", "theirs");
      await theirs.line();
      assert.equal(await theirs.line(), "theirs");
      const leader = await election.leader();
      assert.equal(leader && toText(leader.value), "theirs");
      const waiting = election.campaign("ours");
      await keysInLine("jobs", 2);
      await theirs[Symbol.asyncDispose]();
      const leadership = await within(deadlineMs, "our turn", waiting);
      await using observer = etcdctl(endpoint, "elect", "--listen", "jobs");
      assert.equal(await observer.line(), toText(leadership.key));
      assert.equal(await observer.line(), "ours");
      await leadership.resign();
    });
  });

// minietcdctl lock: signals, a lost lease, the end of its command. Its outputs are compared with etcdctl's in test/interop/etcdctl.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { startTestServer, type TestServer } from "../../../../testing/kit/index.js";
import { eventually } from "../../../support/deadline.js";
import { startProgram } from "./running-program.js";

const deadlineMs = 10_000;

const keysUnder = async (server: TestServer, prefix: string) =>
  (await server.client().kv.get(prefix, { prefix: true })).kvs;

describe("lock", () => {
  test("holds the lock until a signal, then releases it", async () => {
    await using server = await startTestServer();
    for (const signal of ["SIGINT", "SIGTERM"]) {
      const holder = startProgram(server.endpoint, "lock", "l");
      await holder.waitForOutput("l/");
      assert.equal((await keysUnder(server, "l/")).length, 1);
      holder.signals.emit(signal, signal);
      const { code, stdout, stderr } = await holder.ended;
      assert.equal(code, 0);
      assert.match(stdout, /^l\/[\da-f]+\n\n$/);
      assert.equal(stderr, "");
      assert.equal((await keysUnder(server, "l/")).length, 0);
      assert.equal(holder.signals.listenerCount(signal), 0);
    }
  });

  test("runs a command under it, and ends with the command's exit code", async () => {
    await using server = await startTestServer();
    const command = ["sh", "-c", "echo $ETCD_LOCK_KEY $ETCD_LOCK_REV; exit 3"];
    const { code, stdout, stderr } = await startProgram(server.endpoint, "lock", "l", "--", ...command).ended;
    assert.deepEqual([code, stderr], [3, "Error: exit status 3\n"]);
    assert.match(stdout, /^l\/[\da-f]+ 2\n$/);
    assert.equal((await keysUnder(server, "l/")).length, 0);
    const killed = await startProgram(server.endpoint, "lock", "l", "--", "sh", "-c", "kill -9 $$").ended;
    assert.deepEqual([killed.code, killed.stderr], [255, "Error: signal: killed\n"]);
  });

  test("waits for its turn, and leaves the queue when it is stopped", async () => {
    await using server = await startTestServer();
    const held = await server.client().lock("l");
    const stopped = startProgram(server.endpoint, "lock", "l", "true");
    await stopped.waitForKeys(server.client(), "l/", 2);
    stopped.signals.emit("SIGINT", "SIGINT");
    assert.deepEqual(await stopped.ended, { code: 1, stdout: "", stderr: "Error: context canceled\n" });
    assert.equal((await keysUnder(server, "l/")).length, 1);
    const next = startProgram(server.endpoint, "lock", "l", "echo", "held");
    await held.release();
    assert.deepEqual(await next.ended, { code: 0, stdout: "held\n", stderr: "" });
  });

  test("passes SIGTERM on to its command, and not SIGINT", async () => {
    await using server = await startTestServer();
    const holder = startProgram(server.endpoint, "lock", "l", "--", "sh", "-c", "echo ready; exec sleep 60");
    await holder.waitForOutput("ready");
    holder.signals.emit("SIGINT", "SIGINT");
    holder.signals.emit("SIGTERM", "SIGTERM");
    const { code, stdout, stderr } = await holder.ended;
    assert.deepEqual({ code, stdout, stderr }, { code: 255, stdout: "ready\n", stderr: "Error: signal: terminated\n" });
  });

  test("ends with an error when its lease has ended", async () => {
    await using server = await startTestServer();
    const holder = startProgram(server.endpoint, "lock", "l", "--ttl=2");
    await holder.waitForOutput("l/");
    const [kv] = await keysUnder(server, "l/");
    await server.client().lease.revoke(kv?.lease ?? 0n);
    const { code, stderr } = await holder.ended;
    assert.deepEqual([code, stderr], [1, "Error: session expired\n"]);
  });

  test("warns when the lock is lost while its command runs", async () => {
    await using server = await startTestServer();
    const script = "trap 'kill $!; exit 0' TERM; sleep 60 > /dev/null & echo ready; wait";
    const holder = startProgram(server.endpoint, "lock", "l", "--ttl=2", "--", "sh", "-c", script);
    await holder.waitForOutput("ready");
    const [kv] = await keysUnder(server, "l/");
    await server.client().lease.revoke(kv?.lease ?? 0n);
    const warning = "Warning: the lock is lost; the command continues\n";
    await eventually(deadlineMs, "a warning", () => Promise.resolve(holder.output.stderr === warning || undefined));
    holder.signals.emit("SIGTERM", "SIGTERM");
    const { code, stderr } = await holder.ended;
    assert.deepEqual([code, stderr], [1, `${warning}Error: session expired\n`]);
  });
});

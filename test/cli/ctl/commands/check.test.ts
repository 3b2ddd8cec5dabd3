// minietcdctl check: its load and its verdict, the deletion of its keys, and refusals.

import assert from "node:assert/strict";
import { test } from "node:test";
import { printVerdict } from "../../../../cli/ctl/commands/check.js";
import { runLoad } from "../../../../cli/ctl/commands/check-load.js";
import { residentMemory } from "../../../../cli/ctl/commands/resident-memory.js";
import { startTestServer } from "../../../../testing/kit/index.js";
import { startProgram } from "./running-program.js";

const load = {
  prefix: "c/",
  keyBytes: 32,
  valueBytes: 10,
  workers: 4,
  writesPerSecond: 1_000,
  seconds: 60,
  writes: 20,
};

test("a load writes so many keys of one prefix, and measures each write", async () => {
  await using server = await startTestServer();
  const counts: number[] = [];
  const result = await runLoad([server.client()], load, new AbortController().signal, (done) => counts.push(done));
  const { kvs } = await server.client().kv.get("c/", { prefix: true });
  assert.equal(kvs.length, 20);
  assert.ok(kvs.every(({ key, value }) => key.length === 34 && value.length === 10));
  assert.equal(counts.at(-1), 20);
  assert.equal(result.failures.size, 0);
  assert.ok(result.slowest > 0 && result.deviation >= 0 && result.writesPerSecond > 0);
});

test("a load has the given rate and duration, and ends when it is stopped", async () => {
  await using server = await startTestServer();
  const startedAt = performance.now();
  const short = { ...load, writesPerSecond: 100, seconds: 0.3, writes: Infinity };
  await runLoad([server.client()], short, new AbortController().signal, () => undefined);
  assert.ok(performance.now() - startedAt >= 200);
  const { count } = await server.client().kv.get("c/", { prefix: true });
  assert.ok(count > 0 && count <= 30, `${count} writes in 300 ms at 100 a second`);
  const stopping = new AbortController();
  const slow = { ...load, writesPerSecond: 0.001, writes: Infinity };
  const running = runLoad([server.client()], slow, stopping.signal, () => undefined);
  stopping.abort();
  assert.equal((await running).writesPerSecond, 0);
});

test("check perf passes or fails a load by etcdctl's limits, with etcdctl's texts", () => {
  const verdict = (result: Partial<Parameters<typeof printVerdict>[0]>) => {
    let stdout = "";
    const io = { print: (text: string | Uint8Array) => void (stdout += text.toString()) };
    const all = { writesPerSecond: 149, slowest: 0.1, deviation: 0.01, failures: new Map<string, number>(), ...result };
    return [printVerdict(all, 150, io as Parameters<typeof printVerdict>[2]), stdout];
  };
  const times = "PASS: Slowest request took 0.100000s\nPASS: Stddev is 0.010000s\n";
  assert.deepEqual(verdict({}), [true, `PASS: Throughput is 150 writes/s\n${times}PASS\n`]);
  assert.deepEqual(verdict({ writesPerSecond: 135 }), [
    false,
    `FAIL: Throughput too low: 136 writes/s\n${times}FAIL\n`,
  ]);
  assert.deepEqual(verdict({ slowest: 0.6, deviation: 0.2, failures: new Map([["no", 2]]) }), [
    false,
    "FAIL: too many errors\nFAIL: ERROR(no) -> 2\nPASS: Throughput is 150 writes/s\n" +
      "Slowest request took too long: 0.600000s\nStddev too high: 0.200000s\nFAIL\n",
  ]);
});

test("check perf deletes its keys when it is stopped, then compacts and defragments", async () => {
  await using server = await startTestServer();
  const words = ["check", "perf", "--prefix=p/", "--auto-compact", "--auto-defrag"];
  const check = startProgram(server.endpoint, ...words);
  await check.waitForSomeKeys(server.client(), "p/");
  check.signals.emit("SIGINT", "SIGINT");
  const { code, stdout, stderr } = await check.ended;
  assert.deepEqual([code, stderr], [1, "Error: stopped before the end\n"]);
  const compaction = String.raw`^Compacting with revision (\d+)\nCompacted with revision \1\n`;
  const defragmentation = `Defragmenting "${server.endpoint}"\nDefragmented "${server.endpoint}"\n$`;
  assert.match(stdout, new RegExp(compaction + defragmentation));
  assert.equal((await server.client().kv.get("p/", { prefix: true })).count, 0);
});

test("checks refuse a prefix that has keys, and unknown loads", async () => {
  await using server = await startTestServer();
  await server.client().kv.put("mine/k", "v");
  const refusal = `Error: prefix "mine/" has keys. Delete with 'minietcdctl del --prefix mine/' first\n`;
  for (const name of ["perf", "datascale"]) {
    const { code, stderr } = await startProgram(server.endpoint, "check", name, "--prefix=mine/").ended;
    assert.deepEqual([code, stderr], [3, refusal]);
    const unknown = await startProgram(server.endpoint, "check", name, "--load=xxl").ended;
    assert.deepEqual([unknown.code, unknown.stderr], [4, "Error: unknown load option xxl\n"]);
  }
  assert.equal((await server.client().kv.get("mine/k")).count, 1);
});

test("the memory of a server is read from its metrics", async () => {
  await using server = await startTestServer();
  assert.ok((await residentMemory(server.endpoint, undefined)) > 1_000_000);
  await assert.rejects(residentMemory("127.0.0.1:1", undefined), /ECONNREFUSED/);
});

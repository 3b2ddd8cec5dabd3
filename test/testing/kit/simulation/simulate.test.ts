import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { describe, it } from "node:test";
import { setTimeout as realTimeout } from "node:timers/promises";
import { checkLinearizable, simulate, SimulationError, type SimulationWorld } from "../../../../testing/kit/index.js";

/** Runs three clients that increment a counter with compare-and-swap, as long as none interferes with another. */
const count = async ({ recording, random, clock }: SimulationWorld): Promise<void> => {
  const add = async (): Promise<void> => {
    const { kv } = recording.client({ requestTimeoutMs: 2_000 });
    for (let n = 0; n < 10; n++) {
      await clock.sleep(random.between(1, 800));
      try {
        const before = await kv.get("counter");
        const [found] = before.kvs;
        const value = String(Number(found === undefined ? 0 : Buffer.from(found.value).toString()) + 1);
        const compare = [{ target: "modRevision", key: "counter", is: "=", than: found?.modRevision ?? 0 } as const];
        await kv.txn({ compare, success: [{ op: "put", key: "counter", value }] });
      } catch {
        continue; // the history shows whether the write took effect
      }
    }
  };
  await Promise.all([add(), add(), add()]);
};

describe("simulate", () => {
  it("repeats a seed exactly, with faults, and gives others another history", async () => {
    const options = { faults: true, faultEvery: "500ms" };
    const one = await simulate(7, count, options);
    const again = await simulate(7, count, options);
    const other = await simulate(8, count, options);
    assert.deepEqual(again, one);
    assert.notEqual(other.digest, one.digest);
    assert.ok(one.log.some((line) => line.includes("fault: ")));
    for (const { history } of [one, other]) assert.equal(checkLinearizable(history).explanation, "");
  });

  it("names the seed and shows the log when the code fails", async () => {
    const failing = simulate(3, async ({ client, clock }) => {
      await client.kv.put("a", "1");
      await clock.sleep("1s");
      throw new Error("wrong");
    });
    await assert.rejects(failing, (error) => {
      assert.ok(error instanceof SimulationError);
      assert.equal(error.seed, 3);
      assert.match(error.message, /^Simulation failed, seed 3: wrong\n.* m1 info /);
      assert.equal((error.cause as Error).message, "wrong");
      return true;
    });
  });

  it("makes global timers, clocks and random numbers follow the seed", async () => {
    const run = () =>
      simulate(
        5,
        async ({ client, clock }) => {
          const start = Date.now();
          await new Promise((resolve) => setTimeout(resolve, 20_000));
          const lock = await client.lock("name");
          await client.queue("queue").enqueue("a");
          await lock.release();
          return { passed: Date.now() - start, now: clock.now(), random: Math.random(), id: crypto.randomUUID() };
        },
        { timeout: "1m" },
      );
    const one = await run();
    assert.equal(one.value.passed >= 20_000, true);
    assert.deepEqual(await run(), one);
    assert.ok(Date.now() > one.value.now);
  });

  it("fails if the code waits for real time or for the system", async () => {
    await assert.rejects(
      simulate(1, () => realTimeout(10)),
      /a timer of Node's that is not a global one/,
    );
    await assert.rejects(
      simulate(1, () => readFile("package.json")),
      /the file system, which is not virtual/,
    );
  });

  it("fails when the code does not end", async () => {
    await assert.rejects(
      simulate(1, () => new Promise(() => undefined), { timeout: "5s" }),
      /in 5 s of virtual time/,
    );
  });

  it("waits for the cluster within itself", async () => {
    await simulate(2, async ({ cluster, clock }) => {
      const leader = await cluster.waitForLeader();
      await leader.kill();
      assert.notEqual((await cluster.waitForLeader()).name, leader.name);
      await leader.restart();
      await cluster.waitUntilEqual();
      const before = clock.now();
      await cluster.clock.advance("10s");
      assert.equal(clock.now(), before + 10_000);
    });
  });

  it("refuses an invalid seed, option or fault, and a second simulation at the same time", async () => {
    const doNothing = () => Promise.resolve();
    await assert.rejects(simulate(0.5, doNothing), TypeError);
    await assert.rejects(simulate(1, doNothing, { fault: true } as object), /there is no option "fault"/);
    await assert.rejects(simulate(1, doNothing, { faults: ["flood" as "crash"] }), /expected one of "partition"/);
    const first = simulate(1, doNothing);
    await assert.rejects(simulate(1, doNothing), /another simulation runs/);
    await first;
  });
});

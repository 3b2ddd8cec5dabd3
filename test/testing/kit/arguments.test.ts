import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { startTestCluster, startTestServer } from "../../../testing/kit/index.js";

/** Returns the value of a caller that does not use types. */
const toUntyped = (value: unknown): never => value as never;

describe("invalid arguments", () => {
  it("of startTestServer are refused, and the error names them", async () => {
    const wrong: readonly (readonly [unknown, RegExp])[] = [
      [{ unknown: 1 }, /no option "unknown"/],
      [{ members: 3 }, /no option "members"/],
      [{ clock: "virtul" }, /clock is "virtul", expected one of "machine", "virtual"/],
      [{ disk: "yes" }, /disk/],
      [{ listen: 0 }, /listen/],
      [{ seed: NaN }, /seed/],
      [{ flags: { foo: "x" } }, /"foo"/],
      [{ flags: { memory: "true" } }, /the flag memory is set by the test server/],
      [{ flags: { heartbeatInterval: 100 } }, /heartbeatInterval is not text/],
      [{ flags: null }, /flags/],
      ["virtual", /expected an object/],
      [null, /expected an object/],
    ];
    for (const [options, message] of wrong)
      await assert.rejects(startTestServer(toUntyped(options)), { name: "TypeError", message });
  });

  it("of startTestCluster are refused", async () => {
    for (const members of [
      0,
      -1,
      2.5,
      NaN,
      Infinity,
      "m1",
      null,
      [],
      ["a", "a"],
      ["a=b"],
      ["a,b"],
      [""],
      ["../x"],
      [1, 2],
    ])
      await assert.rejects(startTestCluster(toUntyped({ members })), { name: "TypeError", message: /these members/ });
  });

  it("of faults are refused", async () => {
    await using server = await startTestServer({ listen: false });
    const { faults } = server;
    assert.throws(() => faults.on(toUntyped("put")), /the method is "put"/);
    assert.throws(() => faults.on("Put").reject(toUntyped("unavailable")), /the status is "unavailable"/);
    assert.throws(() => faults.on("Put").reject(toUntyped("OK")), TypeError);
    assert.throws(() => faults.on("Put").reject("ABORTED", toUntyped({ commited: true })), /"commited"/);
    for (const count of [-1, 1.5, NaN, "2"]) {
      assert.throws(() => faults.on("Put").times(toUntyped(count)), RangeError);
      assert.throws(() => faults.on("Put").after(toUntyped(count)), RangeError);
    }
    assert.throws(() => faults.on("Put").times(0), RangeError);
    await server.client().kv.put("a", "1");
  });

  it("of links are refused", async () => {
    await using cluster = await startTestCluster({ listen: false });
    assert.throws(() => cluster.delay("1ms", toUntyped({ form: "m1" })), /"form"/);
    assert.throws(() => cluster.drop(toUntyped("10%")), RangeError);
    assert.throws(() => cluster.partition(toUntyped("m1"), toUntyped("m2")), /lists of names/);
    assert.throws(() => cluster.partition(["m1", "m2"], ["m2", "m3"]), /two groups/);
  });

  it("of seed are refused, and a map is taken in its order", async () => {
    await using server = await startTestServer({ listen: false });
    await assert.rejects(server.seed(toUntyped(undefined)), TypeError);
    await assert.rejects(server.seed(toUntyped({ n: 5 })), TypeError);
    await server.seed(
      new Map([
        ["b", "1"],
        ["10", "2"],
      ]),
    );
    assert.deepEqual(
      (await server.history()).map(({ changes: [first] }) => first?.key),
      ["b", "10"],
    );
  });
});

// The option `auth`: the initial users of test servers and test clusters.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Client } from "../../../../client/index.js";
import { startTestCluster, startTestServer, type TestAuth } from "../../../../testing/kit/index.js";

const auth: TestAuth = {
  root: "secret",
  users: {
    ann: { password: "ann's", read: ["app/", "ann/"], write: ["ann/"] },
    bob: { password: "bob's", read: [""] },
    eve: { password: "eve's" },
  },
};
const authOf = (user: string, password = `${user}'s`) => ({ auth: { user, password } });
const root = authOf("root", "secret");
const notAllowed = { reason: "not-allowed" };

describe("users of a test server", () => {
  it("are required from its start, at the endpoint and in the process, and have their rights", async () => {
    await using server = await startTestServer({ auth });
    await assert.rejects(server.client().kv.get("app/a"), { reason: "no-user" });
    await assert.rejects(server.client(authOf("ann", "wrong")).kv.get("app/a"), { reason: "wrong-password" });
    await server.client(root).kv.put("app/a", "1");
    await using outside = new Client({ endpoints: [server.endpoint], ...authOf("ann") });
    for (const ann of [server.client(authOf("ann")), outside]) {
      assert.equal(await ann.kv.getText("app/a"), "1");
      await ann.kv.put("ann/a", "2");
      assert.equal(await ann.kv.getText("ann/a"), "2");
      await assert.rejects(ann.kv.put("app/a", "2"), notAllowed);
      await assert.rejects(ann.kv.get("b"), notAllowed);
    }
    const bob = server.client(authOf("bob"));
    assert.equal((await bob.kv.get("", { prefix: true })).count, 2);
    await assert.rejects(bob.kv.put("ann/a", "3"), notAllowed);
    await assert.rejects(server.client(authOf("eve")).kv.get("app/a"), notAllowed);
  });

  it("do not restrict the test itself", async () => {
    await using server = await startTestServer({ auth, listen: false });
    await server.seed({ "app/a": "1" });
    assert.deepEqual(await server.dump(), { "app/a": "1" });
  });

  it("are there after a reset, as at the start", async () => {
    await using server = await startTestServer({ auth, listen: false });
    for (let round = 0; round < 3; round++) {
      const client = server.client(root);
      await client.auth.userDelete("ann");
      await client.auth.userAdd({ user: "dan", password: "dan's" });
      await server.reset();
      await server.client(authOf("ann")).kv.put("ann/a", "1");
      await assert.rejects(server.client(authOf("dan")).kv.get("ann/a"), { reason: "wrong-password" });
    }
  });

  it("are copied into a clone in their current state", async () => {
    await using server = await startTestServer({ auth, listen: false });
    await server.client(root).auth.userDelete("ann");
    await using clone = await server.clone();
    await assert.rejects(clone.client(authOf("ann")).kv.get("ann/a"), { reason: "wrong-password" });
    await assert.rejects(clone.client(authOf("eve")).kv.get("ann/a"), notAllowed);
    await clone.reset();
    assert.equal(await clone.client(authOf("ann")).kv.getText("ann/a"), undefined);
  });

  it("are known to all members of a cluster", async () => {
    await using cluster = await startTestCluster({ auth });
    for (const endpoint of cluster.endpoints) {
      await using ann = new Client({ endpoints: [endpoint], ...authOf("ann") });
      await ann.kv.put("ann/a", endpoint);
      await assert.rejects(ann.kv.put("b", "1"), notAllowed);
    }
  });

  it("work in virtual time", async () => {
    await using cluster = await startTestCluster({ auth, clock: "virtual", listen: false });
    await cluster.client(authOf("ann")).kv.put("ann/a", "1");
    await cluster.reset();
    assert.deepEqual(await cluster.dump(), {});
    await assert.rejects(cluster.client(authOf("ann")).kv.put("b", "1"), notAllowed);
  });

  it("are refused if they are malformed", async () => {
    const user = { password: "p" };
    for (const wrong of [
      {},
      { root: "" },
      { root: 1 },
      { root: "r", roles: {} },
      { root: "r", users: [user] },
      { root: "r", users: { root: user } },
      { root: "r", users: { "": user } },
      { root: "r", users: { ann: {} } },
      { root: "r", users: { ann: { ...user, read: "app/" } } },
      { root: "r", users: { ann: { ...user, write: [1] } } },
      { root: "r", users: { ann: { ...user, rights: [] } } },
    ])
      await assert.rejects(startTestServer({ auth: wrong as unknown as TestAuth }), TypeError, JSON.stringify(wrong));
  });
});

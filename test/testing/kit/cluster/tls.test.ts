// TLS of test servers and test clusters.

import assert from "node:assert/strict";
import { get } from "node:https";
import { describe, it } from "node:test";
import { startTestCluster, startTestServer } from "../../../../testing/kit/index.js";
import { scaleMs } from "../../../support/machine-speed.js";
import { patientClient } from "../../../support/patient-client.js";

/** Time for which a refused client retries. */
const dialTimeoutMs = scaleMs(500);

/** Returns the body of a page. */
const page = (url: string, ca: string | undefined): Promise<string> =>
  new Promise((resolve, reject) => {
    const call = get(url, { ca, agent: false }, (response) => {
      response
        .setEncoding("utf8")
        .toArray()
        .then((pieces: string[]) => resolve(pieces.join("")), reject);
    });
    call.on("error", reject);
  });

describe("a test server with TLS", () => {
  it("serves clients that trust its certificate, and no others", async () => {
    await using server = await startTestServer({ tls: true });
    await using trusting = patientClient({ endpoints: [server.endpoint], tls: server.tls });
    await trusting.kv.put("a", "1");
    assert.equal(await server.client().kv.getText("a"), "1");
    await using untrusting = patientClient({ endpoints: [server.endpoint], dialTimeoutMs });
    await assert.rejects(untrusting.kv.get("a"), /authority that is not trusted/);
    await using open = patientClient({ endpoints: [server.endpoint.replace("https", "http")], dialTimeoutMs });
    await assert.rejects(open.kv.get("a"), /if it speaks TLS, use https:\/\//);
  });

  it("is refused without TLS: clients with TLS get an error that says so", async () => {
    await using server = await startTestServer();
    await using secure = patientClient({ endpoints: [`https://${server.endpoint}`], dialTimeoutMs });
    await assert.rejects(secure.kv.get("a"), /perhaps it does not speak TLS \(then use http:\/\/\)/);
  });

  it("serves pages, at the name localhost, too", async () => {
    await using server = await startTestServer({ tls: true });
    const url = server.endpoint.replace("127.0.0.1", "localhost");
    assert.match(await page(`${url}/health`, server.tls?.ca), /"health":"true"/);
  });

  it("keeps its certificate through a reset, a kill and a restart", async () => {
    await using server = await startTestServer({ tls: true });
    await using client = patientClient({ endpoints: [server.endpoint], tls: server.tls });
    await client.kv.put("a", "1");
    await server.member.kill();
    await server.member.restart();
    assert.equal(await client.kv.getText("a"), "1");
    await server.reset();
    assert.equal(await client.kv.getText("a"), undefined);
  });

  it("answers nothing while it is frozen", async () => {
    await using server = await startTestServer({ tls: true });
    await using client = patientClient({ endpoints: [server.endpoint], tls: server.tls });
    await client.kv.put("a", "1");
    server.member.freeze();
    await assert.rejects(client.kv.get("a", { timeoutMs: 100 }), { code: "deadline-exceeded" });
    server.member.thaw();
    assert.equal(await client.kv.getText("a"), "1");
  });

  it("has one certificate for all members of a cluster, which list themselves with https", async () => {
    await using cluster = await startTestCluster({ tls: true });
    await using client = patientClient({ endpoints: [...cluster.endpoints], tls: cluster.tls });
    for (const endpoint of cluster.endpoints) {
      const { header } = await client.maintenance.status(endpoint);
      assert.ok(header.memberId > 0n);
    }
    assert.deepEqual([...(await client.syncEndpoints())].sort(), [...cluster.endpoints].sort());
  });

  it("has no TLS by default, and none without a port", async () => {
    await using server = await startTestServer();
    assert.equal(server.tls, undefined);
    await assert.rejects(startTestServer({ tls: true, listen: false }), /tls needs a port/);
    await assert.rejects(startTestServer({ flags: { certFile: "x" } }), /certFile is set by the test server/);
  });
});

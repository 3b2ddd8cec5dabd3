// The requests of a warm-up, on the temporary cluster.

import assert from "node:assert/strict";
import test from "node:test";
import { systemClock, systemRandom } from "../../../platform/index.js";
import { configFromFlags, defaultFlags } from "../../../server/config/config.js";
import { RequestLoad } from "../../../server/warm-up/request-load.js";
import { TemporaryCluster } from "../../../server/warm-up/temporary-cluster.js";
import { quietEnvironment } from "../member/member-fixtures.js";
import { eventually } from "../../support/deadline.js";

/** Returns the resources that keep a process running: sockets, listening sockets and timers. */
const listHandles = (): string[] =>
  process.getActiveResourcesInfo().filter((name) => name.startsWith("TCP") || name === "Timeout");

const environmentOf = () => ({ ...quietEnvironment(), random: systemRandom, clock: systemClock });

/** Waits until there are no more handles than before. */
const waitUntilNoneLeft = (before: number) =>
  eventually(10_000, "the end of all sockets and timers", () => listHandles().length <= before || undefined);

for (const rpcEngine of ["native", "grpc-js"])
  test(`all requests of a warm-up are answered by the engine ${rpcEngine}, and nothing of it is left`, async () => {
    const before = listHandles().length;
    const environment = environmentOf();
    const load = await RequestLoad.open(configFromFlags({ ...defaultFlags, rpcEngine }), environment);
    let steps = 1;
    while (await load.runSlice()) steps += 1;
    assert.ok(steps > 100, String(steps));
    await load.close();
    await waitUntilNoneLeft(before);
    assert.deepEqual(environment.lines, [], "the log of the member has no line of it");
  });

test("a request load that is closed before its end leaves no socket and no timer", async () => {
  const before = listHandles().length;
  const load = await RequestLoad.open(configFromFlags(defaultFlags), environmentOf());
  const step = Promise.allSettled([load.runSlice()]);
  await load.close();
  await step;
  await waitUntilNoneLeft(before);
});

test("a member whose settings name an audit log, users and TLS has none of them in its warm-up", async () => {
  const config = configFromFlags({
    ...defaultFlags,
    auditLog: "/nowhere/audit.log",
    authToken: "jwt,sign-method=HS256,priv-key=/nowhere/key",
    peerAutoTls: "true",
    listenPeerUrls: "https://localhost:2380",
    initialAdvertisePeerUrls: "https://localhost:2380",
  });
  const cluster = await TemporaryCluster.start(config, environmentOf());
  await cluster.close();
});

// The examples on three members, minietcd's or etcd's: their output, and their behaviour in failures.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { eventually } from "../support/deadline.js";
import { startEtcdCluster, type EtcdCluster, type EtcdMember, type ServerKind } from "../support/etcd-process.js";
import { ExampleProcess } from "./example-process.js";
import { patientClient } from "../support/patient-client.js";

/** The output of each example; sorted if two processes write at the same time. */
const printed: Record<string, readonly string[]> = {
  "publish-subscribe.ts": [
    "early hears: coffee costs 4",
    "early hears: tea costs 3",
    "early hears: tea is sold out",
    "late hears: coffee costs 4",
    "late hears: tea costs 3",
    "late hears: tea is sold out",
  ],
  "barrier.ts": ["anna sets off", "anna waits", "ben sets off", "ben waits", "cleo sets off"],
  "load-balancing.ts": ["anna has 5 jobs", "ben has 5 jobs", "cleo has 5 jobs"],
  "lock-and-queue.ts": ["counted to 9", "done, each once: dry, fold, iron, wash"],
  "monitoring.ts": [
    "monitor 1 reports: anna is up",
    "monitor 1 reports: ben is up",
    "monitor 2 leads",
    "monitor 2 reports: anna is down",
  ],
};

/** The TTL of a service's lease, and the time that the server may take to notice its expiry. */
const goneWithinMs = 5_000 + 2_000;

const leaderOf = async ({ endpoints, members }: EtcdCluster): Promise<EtcdMember> => {
  await using client = patientClient({ endpoints });
  return await eventually(20_000, "a leader", async () => {
    for (const member of members) {
      const { leader, header } = await client.maintenance.status(member.endpoint);
      if (leader === header.memberId) return member;
    }
    return undefined;
  });
};

export function testExamples(kind: ServerKind): void {
  describe(`examples on three members of ${kind}`, () => {
    let cluster: EtcdCluster;
    before(async () => {
      // An election in etcd takes up to two election timeouts; the services' leases of 5 s must be longer.
      cluster = await startEtcdCluster({
        kind,
        members: 3,
        flags: ["--heartbeat-interval=100", "--election-timeout=1000"],
      });
    });
    after(() => cluster[Symbol.asyncDispose]());

    for (const [path, lines] of Object.entries(printed))
      test(`${path} prints what it should, and ends`, async () => {
        await using example = ExampleProcess.start(path, { endpoints: cluster.endpoints });
        assert.equal(await example.end(), 0, example.written);
        assert.deepEqual([...example.lines].sort(), lines);
      });

    test("service discovery: services come, die, and leave, the leader dies, and every change is reported once", () =>
      discover(cluster));
  });

  test("service discovery takes no other answer for a number", async () => {
    await using example = ExampleProcess.start("service-discovery/main.ts", {
      endpoints: ["127.0.0.1:1"],
      input: "x\n",
    });
    assert.equal(await example.end(), 2);
  });
}

async function discover(cluster: EtcdCluster): Promise<void> {
  const { endpoints } = cluster;
  const start = (...args: string[]) => ExampleProcess.start("service-discovery/main.ts", { endpoints, args });
  const waitForRegistration = (service: ExampleProcess, name: string) =>
    service.after(`Registered: /discovery/${name} = `);

  await using srv1 = start("1");
  const address1 = await waitForRegistration(srv1, "srv1");
  await using gateway = start("0");
  const url = await gateway.after("Gateway: ");
  await gateway.after("Exist services: ");
  await using srv2 = ExampleProcess.start("service-discovery/main.ts", { endpoints, input: "2\n" });
  const address2 = await waitForRegistration(srv2, "srv2");
  await gateway.after('PUT "/discovery/srv2"');
  await using srv3 = start("3");
  const address3 = await waitForRegistration(srv3, "srv3");
  await gateway.after('PUT "/discovery/srv3"');
  const ask = async () => (await fetch(`${url}/hello`)).text();
  const inTurn = [await ask(), await ask(), await ask(), await ask()];
  assert.deepEqual(
    inTurn,
    [1, 2, 3, 1].map((number) => `srv${number} answers /hello\n`),
  );

  await srv2.end("SIGKILL");
  const whileDead = new Set([await ask(), await ask(), await ask()]);
  assert.deepEqual([...whileDead].sort(), ["srv1 answers /hello\n", "srv3 answers /hello\n"]);
  await gateway.after('DELETE "/discovery/srv2"', goneWithinMs);

  const leader = await leaderOf(cluster);
  await leader.stop("SIGKILL");
  await using srv4 = start("4");
  const address4 = await waitForRegistration(srv4, "srv4");
  await gateway.after('PUT "/discovery/srv4"');
  await srv3.end("SIGKILL");
  await gateway.after('DELETE "/discovery/srv3"'); // more than a TTL after the leader's death: the other services are still registered
  leader.launch();
  assert.equal(await srv4.end("SIGINT"), 0);
  await gateway.after('DELETE "/discovery/srv4"');
  assert.equal(await ask(), "srv1 answers /hello\n");
  assert.equal(await srv1.end("SIGINT"), 0);
  await gateway.after('DELETE "/discovery/srv1"');
  assert.equal((await fetch(url)).status, 503);
  assert.equal(await gateway.end("SIGINT"), 0);
  assert.deepEqual(gateway.lines.slice(1), [
    `Exist services: /discovery/srv1 = ${address1}`,
    `Services Change: PUT "/discovery/srv2" : "${address2}"`,
    `Services Change: PUT "/discovery/srv3" : "${address3}"`,
    'Services Change: DELETE "/discovery/srv2" : ""',
    `Services Change: PUT "/discovery/srv4" : "${address4}"`,
    'Services Change: DELETE "/discovery/srv3" : ""',
    'Services Change: DELETE "/discovery/srv4" : ""',
    'Services Change: DELETE "/discovery/srv1" : ""',
  ]);
}

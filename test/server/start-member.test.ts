// Members inside a program's own process.
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { startMember } from "../../server/index.js";
import { eventually } from "../support/deadline.js";
import { freePorts } from "../support/free-ports.js";
import { patientClient } from "../support/patient-client.js";
import { tempFolder } from "../support/temp-folder.js";

const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined, fatal: () => undefined };
const url = (port: number | undefined): string => `http://127.0.0.1:${port}`;

test("a member that is started again in its directory has its data", async () => {
  await using folder = await tempFolder();
  const [client, peer] = await freePorts(2);
  const options = { dataDir: join(folder.path, "m1"), clientUrls: url(client), peerUrls: url(peer) };
  {
    await using member = await startMember(options);
    assert.deepEqual(member.endpoints, [`127.0.0.1:${client}`]);
    await using writer = patientClient({ endpoints: member.endpoints });
    await writer.kv.put("k", "v");
  }
  await using member = await startMember(options);
  await using reader = patientClient({ endpoints: member.endpoints });
  assert.equal(await reader.kv.getText("k"), "v");
});

test("three members of a new cluster serve once they are started together", async () => {
  await using folder = await tempFolder();
  const ports = await freePorts(6);
  const members = { m1: url(ports[3]), m2: url(ports[4]), m3: url(ports[5]) };
  const started = await Promise.all(
    Object.entries(members).map(([name, peerUrls], n) =>
      startMember({ name, dataDir: join(folder.path, name), clientUrls: url(ports[n]), peerUrls, members }),
    ),
  );
  await using client = patientClient({ endpoints: started.flatMap(({ endpoints }) => endpoints) });
  await client.kv.put("k", "v");
  assert.equal((await client.cluster.memberList()).members.length, 3);
  for (const member of started) await member.stop();
});

test("a start that waits for the other members can be aborted, and the next start can use the directory", async () => {
  await using folder = await tempFolder();
  const [client, own, other] = await freePorts(3);
  const alone = { dataDir: join(folder.path, "m1"), clientUrls: url(client), peerUrls: url(own), name: "m1" };
  const members = { m1: url(own), m2: url(other) };
  const leave = new AbortController();
  const waiting = startMember({ ...alone, members, signal: leave.signal });
  leave.abort(new Error("enough"));
  await assert.rejects(waiting, /enough/);
  await assert.rejects(startMember({ ...alone, members, signal: AbortSignal.abort(new Error("late")) }), /late/);
});

test("options that are unknown, of a wrong type or contradictory are refused by name", async () => {
  const cases: readonly [options: unknown, error: RegExp][] = [
    [null, /: expected an object of options, not null$/],
    ["x", /: expected an object of options, not "x"$/],
    [{ datadir: "x" }, /: there is no option "datadir"$/],
    [{ name: "" }, /: name is "", expected a text$/],
    [{ name: 5 }, /: name is 5, expected a text$/],
    [{ dataDir: null }, /: dataDir is null, expected a text$/],
    [{ clientUrls: ["http://a:1"] }, /: clientUrls is \["http:\/\/a:1"\], expected a text$/],
    [{ members: ["m1"] }, /: members is \["m1"\], expected an object such as \{ m1: /],
    [{ members: {} }, /: members is empty, expected an object such as /],
    [{ members: { m1: 1 } }, /: members.m1 is 1, expected a text$/],
    [{ flags: "x" }, /: flags is "x", expected an object such as /],
    [{ flags: { maxTxnOps: 5 } }, /: flags.maxTxnOps is 5, expected a text as on the command line$/],
    [{ flags: { compaction: "1" } }, /: there is no flag "compaction"$/],
    [{ flags: { "max-txn-ops": "5" } }, /: there is no flag "max-txn-ops"; it is maxTxnOps here$/],
    [{ flags: { walDir: "x" } }, /: the flag walDir has no effect: ./],
    [{ dataDir: "a", flags: { dataDir: "b" } }, /: leave out the option dataDir, or the flag dataDir$/],
    [{ clientUrls: "a", flags: { advertiseClientUrls: "b" } }, /: leave out the option clientUrls, or the flag adv/],
  ];
  for (const [options, error] of cases)
    await assert.rejects(startMember(options as object), (thrown: unknown) => {
      assert.ok(thrown instanceof TypeError);
      assert.match(thrown.message, error);
      return true;
    });
});

test("a member within a program warms up only if it is asked to", async () => {
  await using folder = await tempFolder();
  const lines: string[] = [];
  const logger = { ...quiet, debug: (message: string) => void lines.push(message) };
  for (const flags of [{}, { warmUp: "true" }]) {
    const [client, peer] = await freePorts(2);
    const dataDir = join(folder.path, `m${lines.length}-${Object.keys(flags).length}`);
    await using member = await startMember({ dataDir, clientUrls: url(client), peerUrls: url(peer), logger, flags });
    assert.equal(member.isStopping, false);
  }
  await eventually(10_000, "the end of one warm-up", () => lines.length > 0 || undefined);
  assert.deepEqual(lines, ["warm-up has ended"]);
});

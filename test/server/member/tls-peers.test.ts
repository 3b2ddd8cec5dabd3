// Three members with TLS between them, in this process: real ports, files and handshakes.

import assert from "node:assert/strict";
import { connect as connectOpenly } from "node:net";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { connect, type ConnectionOptions } from "node:tls";
import { systemClock } from "../../../platform/index.js";
import { configFromFlags, defaultFlags, type ServerFlags } from "../../../server/config/index.js";
import { Member } from "../../../server/member/index.js";
import { TestAuthority } from "../../support/certificates.js";
import { eventually } from "../../support/deadline.js";
import { freePorts } from "../../support/free-ports.js";
import { scaleMs } from "../../support/machine-speed.js";
import { patientClient } from "../../support/patient-client.js";
import { type LogLine, recordingLogger, temporaryDirectory } from "./member-fixtures.js";

const longEnoughMs = 30_000;
const names = ["m1", "m2", "m3"] as const;
type Name = (typeof names)[number];

/** Creates members that the test starts and stops one by one. */
const createMembers = async (
  t: TestContext,
  flagsOf: (name: Name, folder: string) => Promise<Partial<ServerFlags>>,
) => {
  const folder = await temporaryDirectory(t);
  const ports = await freePorts(names.length);
  const peerUrl = (name: Name): string => `https://127.0.0.1:${ports[names.indexOf(name)] ?? 0}`;
  const lines = new Map<Name, readonly LogLine[]>();
  const start = async (name: Name): Promise<Member> => {
    const client = `unix://${join(folder, `${name}.client`)}`;
    const { logger, lines: own } = recordingLogger();
    lines.set(name, own);
    const config = configFromFlags({
      ...defaultFlags,
      ...{ name, dataDir: join(folder, name), unsafeNoFsync: "true" },
      ...{ heartbeatInterval: String(scaleMs(50)), electionTimeout: String(scaleMs(500)) },
      ...{ listenClientUrls: client, advertiseClientUrls: client },
      ...{ listenPeerUrls: peerUrl(name), initialAdvertisePeerUrls: peerUrl(name) },
      initialCluster: names.map((each) => `${each}=${peerUrl(each)}`).join(","),
      ...(await flagsOf(name, folder)),
    });
    const member = await Member.start(config, { clock: systemClock, random: Math.random, logger });
    t.after(() => member.stop());
    return member;
  };
  return { start, lines, port: (name: Name) => ports[names.indexOf(name)] ?? 0 };
};

/** Returns flags for mutual TLS, with certificates of one authority. */
const mutualFlagsOf =
  (authority: TestAuthority) =>
  async (name: Name, folder: string): Promise<Partial<ServerFlags>> => {
    const { files } = await authority.issueTo(folder, `${name}-cert`, { commonName: "member" });
    return {
      ...{ peerCertFile: files.cert, peerKeyFile: files.key, peerTrustedCaFile: await authority.writeTo(folder) },
      ...{ peerClientCertAuth: "true", peerCertAllowedCn: "member" },
    };
  };

/** Reads until the other side closes; resolves to the number of bytes. */
const bytesUntilClosed = async (socket: ReturnType<typeof connectOpenly>): Promise<number> => {
  socket.on("error", () => undefined);
  let bytes = 0;
  socket.on("data", (chunk: Buffer) => (bytes += chunk.length));
  await new Promise<void>((resolve) => socket.once("close", () => resolve()));
  return bytes;
};

test("a cluster over mutual TLS replicates, sends snapshots, and refuses strangers", async (t) => {
  const authority = await TestAuthority.create();
  const stranger = await TestAuthority.create("stranger");
  const flags = { snapshotCount: "50", snapshotCatchupEntries: "10" };
  const mutual = mutualFlagsOf(authority);
  const cluster = await createMembers(t, async (name, folder) => ({ ...flags, ...(await mutual(name, folder)) }));
  const members = await Promise.all(names.map(cluster.start));
  await Promise.all(members.map(({ whenReady }) => whenReady));
  await using client = patientClient({
    endpoints: members.flatMap(({ endpoints }) => endpoints),
    requestTimeoutMs: longEnoughMs,
  });
  const values = Array.from({ length: 100 }, (_, n) => `${n} `.repeat(1 + n * 20));
  // Large and small values together: each link reuses the memory of its frames.
  await Promise.all(values.map((value, n) => client.kv.put(`k${n}`, value)));

  const away = members.find((member) => member.status().leader !== member.id);
  assert.ok(away);
  const name = names[members.indexOf(away)] ?? "m1";
  await away.stop();
  for (let n = 0; n < 200; n++) await client.kv.put(`while away ${n % 10}`, String(n));
  const again = await cluster.start(name);
  await again.whenReady;
  await eventually(longEnoughMs, "a snapshot over TLS", () =>
    Promise.resolve(cluster.lines.get(name)?.find(({ msg }) => msg === "applied snapshot")),
  );
  await using there = patientClient({ endpoints: again.endpoints });
  for (const [n, value] of values.entries()) assert.equal(await there.kv.getText(`k${n}`), value);

  const at = { host: "127.0.0.1", port: cluster.port("m1"), ca: authority.cert };
  const refused: ConnectionOptions[] = [at, { ...at, ...(await stranger.issue({ commonName: "member" })) }];
  refused.push({ ...at, ...(await authority.issue({ commonName: "client" })) });
  refused.push({ ...at, ...(await authority.issue({ commonName: "member", hosts: ["10.9.9.9"] })) });
  for (const options of refused) assert.equal(await bytesUntilClosed(connect(options)), 0);
  const open = connectOpenly(at.port, at.host);
  open.write("GET / HTTP/1.1\r\n\r\n");
  await bytesUntilClosed(open);
  const reasons = cluster.lines.get("m1")?.filter(({ msg }) => msg === "rejected connection on peer endpoint") ?? [];
  assert.deepEqual(
    reasons.map(({ error }) => String(error).replace(/:.*/, "")).filter((reason) => reason !== "EOF"),
    ["tls", "tls", "client certificate authentication failed", "tls", "the first bytes are not TLS"],
  );
});

test("a cluster with --peer-auto-tls makes its certificates, and finds them again", async (t) => {
  const cluster = await createMembers(t, () => Promise.resolve({ peerAutoTls: "true" }));
  const members = await Promise.all(names.map(cluster.start));
  await Promise.all(members.map(({ whenReady }) => whenReady));
  await using client = patientClient({ endpoints: members.flatMap(({ endpoints }) => endpoints) });
  await client.kv.put("k", "v");
  await members[2]?.stop();
  const again = await cluster.start("m3");
  await again.whenReady;
  const made = cluster.lines.get("m3")?.filter(({ msg }) => msg.startsWith("automatically generate"));
  assert.deepEqual(made, []);
  await using there = patientClient({ endpoints: again.endpoints });
  assert.equal(await there.kv.getText("k"), "v");
});

test("an untrusted certificate of another member is logged once", async (t) => {
  const [authority, stranger] = [await TestAuthority.create(), await TestAuthority.create("stranger")];
  const cluster = await createMembers(t, async (name, folder) => {
    const flags = await mutualFlagsOf(authority)(name, folder);
    if (name !== "m3") return flags;
    const { files } = await stranger.issueTo(folder, "m3-strange", { commonName: "member" });
    return { ...flags, peerCertFile: files.cert, peerKeyFile: files.key };
  });
  const members = await Promise.all((["m1", "m2", "m3"] as const).map(cluster.start));
  await Promise.all(members.slice(0, 2).map(({ whenReady }) => whenReady));
  members[2]?.whenReady.catch(() => undefined); // the member cannot join
  const line = await eventually(longEnoughMs, "a line about TLS", () =>
    Promise.resolve(cluster.lines.get("m1")?.find(({ msg }) => msg === "cannot connect to peer over TLS")),
  );
  assert.match(String(line["error"]), /certificate signed by unknown authority/);
});

test("a member with a revoked certificate cannot connect until the revocation list no longer contains it", async (t) => {
  const authority = await TestAuthority.create();
  const folder = await temporaryDirectory(t);
  const peerCrlFile = join(folder, "revoked.crl");
  const revoked = await authority.issueTo(folder, "revoked", { commonName: "member" });
  await writeFile(peerCrlFile, await authority.revoke([revoked]));
  const cluster = await createMembers(t, async (name, folder) => {
    const flags = { ...(await mutualFlagsOf(authority)(name, folder)), peerCrlFile };
    return name === "m3" ? { ...flags, peerCertFile: revoked.files.cert, peerKeyFile: revoked.files.key } : flags;
  });
  const members = await Promise.all(names.map(cluster.start));
  await Promise.all(members.slice(0, 2).map(({ whenReady }) => whenReady));
  const line = await eventually(longEnoughMs, "a line about the certificate", () =>
    Promise.resolve(cluster.lines.get("m1")?.find(({ msg }) => msg === "rejected connection on peer endpoint")),
  );
  assert.equal(line["error"], `transport: certificate serial ${revoked.serial} revoked`);
  await writeFile(peerCrlFile, await authority.revoke([]));
  await members[2]?.whenReady;
});

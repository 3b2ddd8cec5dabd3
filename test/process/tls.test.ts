// TLS on real processes: clients and members with certificates of one authority.

import assert from "node:assert/strict";
import { rename } from "node:fs/promises";
import { connect as connectOpenly } from "node:net";
import { test } from "node:test";
import { connect, type TLSSocket } from "node:tls";
import { TestAuthority } from "../support/certificates.js";
import { type ClusterMember, fastElections, startCluster } from "../support/minietcd-cluster.js";
import { scaleMs } from "../support/machine-speed.js";
import { tempFolder } from "../support/temp-folder.js";

const longEnoughMs = 30_000;

/** Makes the certificates of a cluster in a folder. */
const certificatesIn = async (folder: string) => {
  const authority = await TestAuthority.create();
  const ca = await authority.writeTo(folder);
  const { files: server } = await authority.issueTo(folder, "server");
  const { cert, key } = await authority.issue({ commonName: "alice" });
  const flags = [
    ...[`--cert-file=${server.cert}`, `--key-file=${server.key}`, `--trusted-ca-file=${ca}`, "--client-cert-auth"],
    ...[`--peer-cert-file=${server.cert}`, `--peer-key-file=${server.key}`, `--peer-trusted-ca-file=${ca}`],
    "--peer-client-cert-auth",
  ];
  return { authority, server, flags, tls: { ca: authority.cert, cert, key } };
};

/** Connects to the client port of a member. Resolves once the handshake is over. */
const handshake = (member: ClusterMember, tls: object): Promise<TLSSocket> =>
  new Promise((resolve, reject) => {
    const port = Number(member.address.split(":")[1]);
    const socket = connect({ host: "127.0.0.1", port, ...tls }, () => resolve(socket));
    socket.once("error", reject);
  });

test("an acknowledged put survives the loss of the leader, and a stopped member is sent a snapshot after its restart, over mutual TLS", async () => {
  await using folder = await tempFolder();
  const { flags, tls } = await certificatesIn(folder.path);
  const shortLog = ["--snapshot-count=50", "--snapshot-catchup-entries=10"];
  await using cluster = await startCluster({ tls, flags: [...fastElections, ...shortLog, ...flags] });
  await cluster.client.kv.put("k", "v");
  const lost = await cluster.leader();
  await lost.kill("SIGKILL");
  assert.equal(await cluster.client.kv.getText("k", { timeoutMs: scaleMs(longEnoughMs) }), "v");
  for (let n = 0; n < 200; n++)
    await cluster.client.kv.put(`${n}`, "x".repeat(n * 50), { timeoutMs: scaleMs(longEnoughMs) });
  lost.launch();
  await lost.whenReady();
  await lost.running.waitFor(
    "an installed snapshot",
    ({ log }) => log.find(({ msg }) => msg === "applied snapshot"),
    longEnoughMs,
  );
  await using there = lost.client();
  assert.equal((await there.kv.getText("199"))?.length, 199 * 50);
});

test("new certificates are used without a restart, and open connections stay open", async () => {
  await using folder = await tempFolder();
  const { authority, server, flags, tls } = await certificatesIn(folder.path);
  await using cluster = await startCluster({ members: 1, tls, flags });
  const member = cluster.member(0);
  await cluster.client.kv.put("k", "v");
  const next = await authority.issueTo(folder.path, "next");
  await rename(next.files.cert, server.cert);
  await rename(next.files.key, server.key);
  const socket = await handshake(member, tls);
  assert.equal(socket.getPeerX509Certificate()?.serialNumber.toLowerCase(), next.serial);
  socket.destroy();
  assert.equal(await cluster.client.kv.getText("k"), "v");
});

test("a hundred clients that never finish their handshake do not block other clients", async () => {
  await using folder = await tempFolder();
  const { flags, tls } = await certificatesIn(folder.path);
  await using cluster = await startCluster({ members: 1, tls, flags });
  const member = cluster.member(0);
  const port = Number(member.address.split(":")[1]);
  const silent = Array.from({ length: 100 }, () => connectOpenly(port, "127.0.0.1").on("error", () => undefined));
  try {
    await Promise.all(silent.map((socket) => new Promise((resolve) => socket.once("connect", resolve))));
    await cluster.client.kv.put("k", "v");
    (await handshake(member, tls)).destroy();
    const open = connectOpenly(port, "127.0.0.1").on("error", () => undefined);
    open.write("GET /health HTTP/1.1\r\n\r\n");
    await member.running.waitFor("a line about HTTP", ({ log }) =>
      log.find(
        ({ msg, error }) => msg === "rejected connection on client endpoint" && String(error).includes("not TLS"),
      ),
    );
    open.destroy();
    assert.equal((await member.kill("SIGTERM")).signal, "SIGTERM"); // an orderly stop, although the connections are open
  } finally {
    for (const socket of silent) socket.destroy();
  }
});

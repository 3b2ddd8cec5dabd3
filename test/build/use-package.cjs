// `node use-package.cjs import|require`: embeds a member and uses it with the client, both from the package `minietcd` as that keyword finds it.

const assert = require("node:assert/strict");
const { mkdtempSync, rmSync } = require("node:fs");
const { tmpdir } = require("node:os");
const { join } = require("node:path");

/** The doors of the package. */
const doors = {
  import: async () => [await import("minietcd"), await import("minietcd/client"), await import("minietcd/server")],
  require: async () => [require("minietcd"), require("minietcd/client"), require("minietcd/server")],
};

/** Starts a member that listens on unix sockets, calls `work` with its endpoint, and stops it. */
const withMember = async (server, work) => {
  const folder = mkdtempSync(join(tmpdir(), "minietcd-use-"));
  const [peer, endpoint] = ["peer", "client"].map((name) => `unix://${join(folder, name)}`);
  const config = server.configFromFlags({
    ...server.defaultFlags,
    dataDir: join(folder, "data"),
    listenClientUrls: endpoint,
    advertiseClientUrls: endpoint,
    listenPeerUrls: peer,
    initialAdvertisePeerUrls: peer,
  });
  const logger = server.createLogger({
    level: "error",
    write: console.error,
    timestamp: () => new Date().toISOString(),
  });
  const member = await server.Member.start(config, { clock: server.systemClock, random: Math.random, logger });
  try {
    await member.ready;
    await work(endpoint);
  } finally {
    await member.stop();
    rmSync(folder, { recursive: true });
  }
};

const useClient = async ({ Client }, endpoint) => {
  const client = new Client({ endpoints: [endpoint] });
  const { id } = await client.lease.grant({ ttlSeconds: 60 });
  await client.kv.put("greeting", "hello", { lease: id });
  assert.equal(await client.kv.getText("greeting"), "hello");
  await client.lease.revoke(id);
  assert.equal(await client.kv.getText("greeting"), undefined);
  await client.close();
};

const main = async (keyword) => {
  const [whole, client, server] = await doors[keyword]();
  assert.equal(whole.Client, client.Client, "one client");
  assert.equal(whole.Member, server.Member, "one member");
  await withMember(server, (endpoint) => useClient(client, endpoint));
  console.log(`${process.version} ${keyword}: ok`);
};

void main(process.argv[2]);

// `node use-package.cjs import|require`: embeds a member and a test server, and uses them with the client. All come from the package
// `minietcd`, as that keyword finds it.

const assert = require("node:assert/strict");
const { mkdtempSync, rmSync } = require("node:fs");
const { tmpdir } = require("node:os");
const { join } = require("node:path");

/** The doors of the package. */
const doors = {
  import: async () => ({
    whole: await import("minietcd"),
    client: await import("minietcd/client"),
    server: await import("minietcd/server"),
    testing: await import("minietcd/testing"),
  }),
  require: async () => ({
    whole: require("minietcd"),
    client: require("minietcd/client"),
    server: require("minietcd/server"),
    testing: require("minietcd/testing"),
  }),
};

/** Far beyond what a busy machine needs to load server and client in one process, and to connect them. */
const patience = { dialTimeoutMs: 60_000, requestTimeoutMs: 60_000 };

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

/** Puts, gets, grants and revokes. */
const use = async (client) => {
  const { id } = await client.lease.grant({ ttlSeconds: 60 });
  await client.kv.put("greeting", "hello", { lease: id });
  assert.equal(await client.kv.getText("greeting"), "hello");
  await client.lease.revoke(id);
  assert.equal(await client.kv.getText("greeting"), undefined);
};

const main = async (keyword) => {
  const { whole, client, server, testing } = await doors[keyword]();
  assert.equal(whole.Client, client.Client, "one client");
  assert.equal(whole.Member, server.Member, "one member");
  await withMember(server, async (endpoint) => {
    const remote = new client.Client({ endpoints: [endpoint], ...patience });
    await use(remote);
    await remote.close();
  });
  const testServer = await testing.startTestServer();
  assert.ok(testServer.client() instanceof client.Client, "one client");
  await use(testServer.client());
  await testServer.close();
  console.log(`${process.version} ${keyword}: ok`);
};

void main(process.argv[2]);

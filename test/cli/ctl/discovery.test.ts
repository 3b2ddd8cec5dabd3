// minietcdctl with endpoints from the DNS records of a domain.
import assert from "node:assert/strict";
import { Resolver } from "node:dns/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { describe, test, type TestContext } from "node:test";
import { runProgram } from "../../../cli/ctl/program.js";
import { configFromFlags, defaultFlags } from "../../../server/config/index.js";
import { Member } from "../../../server/member/index.js";
import { FakeServer } from "../../client/fake-server.js";
import { quietEnvironment, temporaryDirectory } from "../../server/member/member-fixtures.js";
import { TestAuthority } from "../../support/certificates.js";
import { DnsServer, type Zone } from "../../support/dns-server.js";

interface Run {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command line with a DNS server that has these records. */
async function run(zone: Zone, words: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Run> {
  await using dns = await DnsServer.start(zone);
  const resolver = new Resolver();
  resolver.setServers([dns.address]);
  const output = { stdout: "", stderr: "" };
  const code = await runProgram(words, {
    env,
    resolver,
    stdin: Readable.from([]),
    print: (text) => (output.stdout += String(text)),
    note: (line) => (output.stderr += `${line}\n`.replaceAll(dns.address, "SERVER")),
  });
  return { code, ...output };
}

const portOf = ({ endpoint }: FakeServer) => Number(endpoint.split(":").at(-1));
const zoneOf = (server: FakeServer): Zone => ({
  services: {
    "_etcd-client._tcp.example.com": [{ target: "localhost", port: portOf(server) }],
    "_etcd-client-blue._tcp.example.com": [{ target: "localhost", port: portOf(server) }],
  },
});
const list = ["member", "list"];
const missingHostText = (service: string, domain = "example.com") =>
  `lookup _${service}._tcp.${domain} on SERVER: no such host`;

describe("--discovery-srv", () => {
  test("takes the place of --endpoints", async () => {
    await using server = await FakeServer.start({ MemberList: { members: [] } });
    const dead = ["--endpoints", "127.0.0.1:1"];
    for (const flags of [
      ["-d", "example.com"],
      ["--discovery-srv=example.com", "--discovery-srv-name=blue"],
    ])
      assert.deepEqual(await run(zoneOf(server), [...flags, ...dead, ...list]), { code: 0, stdout: "", stderr: "" });
    assert.equal((await run(zoneOf(server), [...dead, ...list], { ETCDCTL_DISCOVERY_SRV: "example.com" })).code, 0);
    assert.equal(server.calls.length, 3);
  });

  test("also names the endpoints of commands that use each endpoint", async () => {
    await using server = await FakeServer.start({ Range: {}, Alarm: {} });
    const { code, stdout } = await run(zoneOf(server), ["-d", "example.com", "endpoint", "health"]);
    assert.equal(code, 0);
    assert.match(stdout, new RegExp(`^http://localhost:${portOf(server)} is healthy`));
  });

  test("of a domain without records fails before any other check", async () => {
    for (const flags of [[], ["--user", "root"], ["--cert", "nowhere.pem"], ["-w", "x"]]) {
      const stderr = `Error: dns lookup errors: ${missingHostText("etcd-client-ssl")} and ${missingHostText("etcd-client")}\n`;
      assert.deepEqual(await run({}, ["-d", "example.com", ...flags, ...list]), { code: 1, stdout: "", stderr });
    }
  });

  test("without a domain, the name of a service and --insecure-discovery=false change nothing", async () => {
    await using server = await FakeServer.start({ MemberList: { members: [] } });
    const flags = ["--endpoints", server.endpoint, "--discovery-srv-name=blue", "--insecure-discovery=false"];
    assert.deepEqual(await run({}, [...flags, ...list]), { code: 0, stdout: "", stderr: "" });
  });
});

/** Starts a member whose certificate is for these hosts. */
async function startSecureMember(t: TestContext, hosts: readonly string[]): Promise<{ zone: Zone; cacert: string }> {
  const folder = await temporaryDirectory(t);
  const authority = await TestAuthority.create();
  const { files } = await authority.issueTo(folder, "server", { hosts });
  const peer = `unix://${join(folder, "peer")}`;
  const config = configFromFlags({
    ...{ ...defaultFlags, memory: "true", listenPeerUrls: peer, initialAdvertisePeerUrls: peer },
    ...{ listenClientUrls: "https://127.0.0.1:0", advertiseClientUrls: "https://127.0.0.1:0" },
    ...{ certFile: files.cert, keyFile: files.key },
  });
  const member = await Member.start(config, quietEnvironment());
  t.after(() => member.stop());
  await member.whenReady;
  const port = Number(member.endpoints[0]?.split(":").at(-1));
  const zone = { services: { "_etcd-client-ssl._tcp.example.com": [{ target: "localhost", port }] } };
  return { zone, cacert: await authority.writeTo(folder) };
}

describe("--insecure-discovery=false", () => {
  const flags = ["-d", "example.com", "--insecure-discovery=false"];

  test("omits endpoints without TLS, with a warning", async () => {
    await using server = await FakeServer.start();
    const { stderr } = await run(zoneOf(server), [...flags, "--endpoints=127.0.0.1:1", "--dial-timeout=1ms", ...list]);
    const [first] = stderr.split("\n");
    assert.equal(first, `ignoring discovered insecure endpoint "http://localhost:${portOf(server)}"`);
    assert.equal(server.calls.length, 0);
  });

  test("accepts servers whose certificate is valid for the domain, whatever their host", async (t) => {
    const { zone, cacert } = await startSecureMember(t, ["example.com"]);
    for (const domain of ["example.com", "example.com."]) {
      const words = ["-d", domain, "--insecure-discovery=false", "--cacert", cacert, "put", "k", "v"];
      assert.deepEqual(await run(zone, words), { code: 0, stdout: "OK\n", stderr: "" });
    }
  });

  test("refuses servers whose certificate is valid for their host alone", async (t) => {
    const { zone, cacert } = await startSecureMember(t, ["localhost"]);
    const put = ["--cacert", cacert, "put", "k", "v"];
    assert.equal((await run(zone, ["-d", "example.com", ...put])).code, 0);
    const { code, stderr } = await run(zone, [...flags, ...put]);
    assert.equal(code, 1);
    assert.match(stderr, /certificate is not valid for this host/);
  });
});

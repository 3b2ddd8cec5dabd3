// Starts clusters of three members with only a domain, on a machine whose DNS is a server of the test's; prints their members, then
// starts them again with a DNS that knows hosts only.
import { join } from "node:path";
import { TestAuthority } from "../../support/certificates.js";
import { eventually } from "../../support/deadline.js";
import { dnsPort, DnsServer, type Zone } from "../../support/dns-server.js";
import { tempFolder } from "../../support/temp-folder.js";
import { type Kind, Member } from "./member.js";
import { peerPorts, zone } from "./zone.js";

/** A cluster as its members list it. */
export interface Listed {
  readonly cluster: string;
  readonly members: readonly string[];
}

interface Shape {
  readonly scheme: "http" | "https";
  readonly flags: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
}

const timeoutMs = 30_000;

const launch = (kind: Kind, folder: string, { scheme, flags, environment }: Shape): Member[] =>
  peerPorts.map((port, n) => {
    const peer = [
      `--listen-peer-urls=${scheme}://127.0.0.1:${port}`,
      `--initial-advertise-peer-urls=${scheme}://m${n + 1}.example.com:${port}`,
    ];
    const own = [`--name=member-${n + 1}`, `--data-dir=${join(folder, String(n))}`];
    return new Member(kind, `http://127.0.0.1:${port - 1}`, [...own, ...peer, ...flags], environment);
  });

/** Waits until each member lists all of them with the names that they have published. */
const waitForList = async (members: readonly Member[]): Promise<readonly Listed[]> => {
  const started = await Promise.all(members.map((member) => member.whenStarted()));
  if (started.includes(false)) throw new Error("a member has ended");
  return Promise.all(
    members.map((member) =>
      eventually(timeoutMs, "all names", async () => {
        const { header, members: all } = await member.list();
        if (!all.every(({ name = "" }) => name.startsWith("member-"))) return undefined;
        const lines = all.map(({ ID, name = "", peerURLs }) => `${ID} ${name} ${peerURLs.join(",")}`);
        return { cluster: header.cluster_id, members: lines.sort() };
      }),
    ),
  );
};

const stopAll = (members: readonly Member[]) => Promise.all(members.map((member) => member.stop()));

/** Starts a cluster, and again when DNS has no more services. */
const startTwice = async (
  kind: Kind,
  shape: Shape,
): Promise<{ first: readonly Listed[]; again: readonly Listed[] }> => {
  await using folder = await tempFolder();
  let members: Member[] = [];
  const run = async () => {
    members = launch(kind, folder.path, shape);
    try {
      return await waitForList(members);
    } finally {
      await stopAll(members);
    }
  };
  const first = await withDns(zone, run);
  return { first, again: await withDns({ addresses: zone.addresses ?? {} }, run) };
};

const withDns = async <T>(known: Zone, run: () => Promise<T>): Promise<T> => {
  const dns = await DnsServer.start(known, dnsPort);
  try {
    return await run();
  } finally {
    await dns[Symbol.asyncDispose]();
  }
};

/** Log messages of members that refuse each other's certificates. */
const refusals = { etcd: "tls: bad certificate", minietcd: "does not match certificate's altnames" };

/**
 * Starts a cluster with https whose members have a certificate for `host`, twice.
 * | @returns for both starts, whether they trusted each other
 */
const startTwiceWithTls = async (kind: Kind, authority: TestAuthority, host: string): Promise<readonly boolean[]> => {
  await using folder = await tempFolder();
  const ca = await authority.writeTo(folder.path);
  const { files } = await authority.issueTo(folder.path, "peer", { hosts: [host] });
  const flags = [
    "--discovery-srv=secure.example.com",
    `--peer-cert-file=${files.cert}`,
    `--peer-key-file=${files.key}`,
  ];
  // Variables of Go and of Node with the machine's authorities, since no flag names one.
  const environment = { SSL_CERT_FILE: ca, NODE_EXTRA_CA_CERTS: ca };
  const start = async (): Promise<boolean> => {
    const members = launch(kind, folder.path, { scheme: "https", flags, environment });
    try {
      const refused = members[0]?.waitForLog(refusals[kind]).then(() => false);
      return (await Promise.race([refused, waitForList(members).then(() => true)])) ?? false;
    } finally {
      await stopAll(members);
    }
  };
  return [await withDns(zone, start), await withDns(zone, start)];
};

const shape: Shape = { scheme: "http", flags: ["--discovery-srv=example.com"] };
const authority = await TestAuthority.create();
const report = [];
for (const kind of ["etcd", "minietcd"] as const) {
  const cluster = await startTwice(kind, shape);
  const trust = [];
  for (const host of ["secure.example.com", "m1.example.com"])
    trust.push(await startTwiceWithTls(kind, authority, host));
  report.push({ kind, ...cluster, trust });
}
console.log(JSON.stringify(report));

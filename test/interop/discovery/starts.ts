// Starts etcd and minietcd with the same flags, one member each, on a machine whose DNS is a server of the test's; prints the outcomes.
import { join } from "node:path";
import { dnsPort, DnsServer } from "../../support/dns-server.js";
import { tempFolder } from "../../support/temp-folder.js";
import { type Kind, Member, type MemberList } from "./member.js";
import { ownPort, zone } from "./zone.js";

/** The outcome of a start. */
export interface Outcome {
  readonly found: readonly string[];
  /** The reason of a member that did not start. */
  readonly reason?: string | undefined;
  readonly members?: MemberList["members"];
  readonly cluster?: string;
}

const advertise = (url: string) => `--initial-advertise-peer-urls=${url}`;
const byName = `http://m1.example.com:${ownPort}`;
const byAddress = `http://127.0.0.1:${ownPort}`;
const [own, domain] = [advertise(byName), (name: string) => `--discovery-srv=${name}.example.com`];

/** Flags as words; a word with the name of a variable sets it. */
const cases: readonly (readonly string[])[] = [
  [own, domain("one")],
  [own, "--discovery-srv=ONE.example.com."],
  [advertise(byAddress), domain("one")],
  [advertise(`http://alias.example.com:${ownPort}`), domain("one")],
  [own, domain("one"), "--initial-cluster-token=other"],
  [own, "ETCD_DISCOVERY_SRV=one.example.com"],
  [own, "--discovery-srv=example.com", "--discovery-srv-name=blue"],
  [own, "--discovery-srv=example.com", "--discovery-srv-name=red"],
  [own, "--discovery-srv-name=red"],
  [own, domain("one"), `--initial-cluster=x=${byName}`],
  [own, domain("one"), `ETCD_INITIAL_CLUSTER=x=${byName}`],
  [own, domain("one"), "--initial-cluster="],
  [own, "--initial-cluster="],
  ...["nowhere", "broken", "odd", "number", "gone", "partly", "empty", "twice", "repeated"].map((name) => [
    own,
    domain(name),
  ]),
  ...["alias", "upper", "mismatch", "others"].map((name) => [own, domain(name)]),
  [advertise(`${byName},http://alias.example.com:${ownPort}`), domain("alias")],
  [advertise("http://m1.example.com:1"), domain("one")],
  [advertise("http://gone.example.com:1"), domain("one")],
  [advertise("http://broken.example.com:1"), domain("one")],
  [advertise(`${byName},http://m2.example.com:1`), domain("one")],
  [own, "--discovery-srv=a..b"],
  [own, "--discovery-srv=-a.com"],
  [own, `--discovery-srv=${"x".repeat(64)}`],
  [own, "--discovery-srv=one"],
  // The same check for members in flags.
  [advertise(byAddress), `--initial-cluster=x=${byName}`],
  [advertise("http://127.0.0.1:1"), `--initial-cluster=x=${byName}`],
  // Exactly one URL too many: etcd would list two in random order.
  [own, `--initial-cluster=x=${byName},x=http://m2.example.com:1`],
  [advertise(`${byName},http://127.0.0.1:1`), `--initial-cluster=x=${byName}`],
  [advertise(byAddress), `--initial-cluster=x=http://localhost:${ownPort}`],
  [own, `--initial-cluster=x=${byName},y=${byName}`],
];

const start = async (kind: Kind, flags: readonly string[]): Promise<Outcome> => {
  await using folder = await tempFolder();
  const client = `http://127.0.0.1:${kind === "etcd" ? 2379 : 2389}`;
  const listen = `--listen-peer-urls=http://127.0.0.1:${kind === "etcd" ? 3380 : 3390}`;
  const variables = flags.filter((flag) => flag.startsWith("ETCD_")).map((flag) => /^(\w+)=(.*)$/.exec(flag)?.slice(1));
  const words = ["--name=x", `--data-dir=${join(folder.path, "data")}`, listen];
  await using member = new Member(
    kind,
    client,
    [...words, ...flags.filter((flag) => flag.startsWith("--"))],
    Object.fromEntries(variables as [string, string][]),
  );
  const { found } = member;
  if (!(await member.whenStarted())) return { found: member.found, reason: member.reason };
  const { members, header } = await member.list();
  const shown = members.map(({ ID, name = "", peerURLs }) => ({ ID, name, peerURLs }));
  return { found: [...found, ...member.found], members: shown, cluster: header.cluster_id };
};

await using dns = await DnsServer.start(zone, dnsPort);
const outcomes = [];
for (const flags of cases) {
  const [etcd, minietcd] = await Promise.all([start("etcd", flags), start("minietcd", flags)]);
  outcomes.push({ flags: flags.join(" "), etcd, minietcd });
}
console.log(JSON.stringify({ outcomes, asked: dns.asked.length }));

// `npm run bench -- tls`: the cost of TLS for clients, on minietcd and on etcd.

import { loadavg } from "node:os";
import { TestAuthority } from "../test/support/certificates.js";
import { tempFolder } from "../test/support/temp-folder.js";
import { quantileAt, LoadedCluster, loads, type Sample, type Summary, summaryOf } from "./loads.js";
import { format, printTable, ratio } from "./report.js";
import { Scope } from "./scope.js";
import { findServers, type Server, type ServerTls } from "./servers.js";

const rounds = 3;
const members = 3;
const names = ["put", "put, one client", "get", "range of 100"];
const keys = 10_000;
const valueBytes = 256;

/** Creates the certificate of the servers in a folder: ECDSA, P-256. Clients have no certificate. */
const makeTls = async (folder: string): Promise<ServerTls> => {
  const authority = await TestAuthority.create();
  const { files } = await authority.issueTo(folder, "server");
  return { flags: [`--cert-file=${files.cert}`, `--key-file=${files.key}`], options: { ca: authority.cert } };
};

/** A server without TLS, and the same server with TLS. */
interface Pair {
  readonly label: string;
  readonly open: Contender;
  readonly secure: Contender;
}

interface Contender {
  readonly loaded: LoadedCluster;
  readonly samples: Map<string, Sample[]>;
}

const start = async (server: Server, scope: Scope): Promise<Contender> => {
  const loaded = scope.use(await LoadedCluster.start(server, members));
  await loaded.fill(0, keys, valueBytes);
  return { loaded, samples: new Map(names.map((name) => [name, []])) };
};

/** Runs the loads on each server with and without TLS, in turn, and prints the results and their ratios. */
export const measureTls = async (): Promise<void> => {
  await using folder = await tempFolder();
  const secured = await makeTls(folder.path);
  await using scope = new Scope();
  const pairs: Pair[] = [];
  for (const server of findServers()) {
    const open = await start(server, scope);
    pairs.push({ label: server.label, open, secure: await start({ ...server, tls: secured }, scope) });
  }
  const contenders = pairs.flatMap(({ open, secure }) => [open, secure]);
  for (let round = 0; round < rounds; round++)
    for (const name of names)
      for (const { loaded, samples } of round % 2 === 0 ? contenders : contenders.toReversed())
        samples.get(name)?.push(await loaded.play(loadOf(name)));
  console.log(`Load of the machine over the last minute: ${format(loadavg()[0], 1)}. Medians of ${rounds} rounds.\n`);
  report(pairs);
};

const loadOf = (name: string) => {
  const load = loads[name];
  if (load === undefined) throw new Error(`There is no load "${name}"`);
  return load;
};

const cells = (summary: Summary): string[] => [
  format(summary.perSecond),
  format(quantileAt(summary, 0.5), 2),
  format(quantileAt(summary, 0.99), 2),
  format(summary.cpuPerRequest),
];

const ratios = (one: Summary, other: Summary): string[] => [
  ratio(one.perSecond, other.perSecond),
  ratio(quantileAt(one, 0.5), quantileAt(other, 0.5)),
  ratio(quantileAt(one, 0.99), quantileAt(other, 0.99)),
  ratio(one.cpuPerRequest, other.cpuPerRequest),
];

const report = (pairs: readonly Pair[]): void => {
  const rows: string[][] = [];
  for (const name of names) {
    const summaries = pairs.map(({ label, open, secure }) => ({
      label,
      open: summaryOf(open.samples.get(name) ?? []),
      secure: summaryOf(secure.samples.get(name) ?? []),
    }));
    for (const { label, open, secure } of summaries)
      rows.push(
        [name, label, ...cells(open)],
        ["", `${label} with TLS`, ...cells(secure)],
        ["", "with TLS to without", ...ratios(secure, open)],
      );
    const [ours, theirs] = summaries;
    if (ours === undefined || theirs === undefined) continue;
    rows.push(["", "minietcd to etcd", ...ratios(ours.open, theirs.open)]);
    rows.push(["", "minietcd to etcd, both with TLS", ...ratios(ours.secure, theirs.secure)]);
  }
  printTable(["", "", "requests/s", "p50 ms", "p99 ms", "CPU µs/request"], rows, 2);
};

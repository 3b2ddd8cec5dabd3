// Measures the delays of leader and follower while an empty follower gets a snapshot of 256 MiB and clients write.

import { randomBytes } from "node:crypto";
import { Client } from "../client/index.js";
import { Forked } from "./forked.js";
import { MeasuredCluster, type MeasuredMember } from "./measured-cluster.js";
import type { MemberReport } from "./measured-member.js";
import type { PutCommand, PutMessage } from "./put-load.js";
import { format, printTable } from "./report.js";

const mebibyte = 1024 * 1024;
const storeBytes = 256 * mebibyte;
const valueBytes = 4 * 1024;
const putsPerTxn = 32;
const putsPerSecond = 1_000;
/** The time of the measurement without a snapshot, for comparison. */
const quietMs = 10_000;

/** Fills the store with values that do not compress. */
const fill = async (client: Client): Promise<void> => {
  const count = storeBytes / valueBytes;
  const txn = (first: number): Promise<unknown> =>
    client.kv.txn({
      success: Array.from({ length: putsPerTxn }, (_, n) => ({
        op: "put" as const,
        key: `store/${first + n}`,
        value: randomBytes(valueBytes),
      })),
    });
  const atOnce = 4 * putsPerTxn;
  for (let first = 0; first < count; first += atOnce)
    await Promise.all(Array.from({ length: 4 }, (_, n) => txn(first + n * putsPerTxn)));
};

const row = (what: string, report: MemberReport): string[] => [
  what,
  ...[report.delayP50, report.delayP99, report.delayMax, report.turnP99, report.longestTurns[0] ?? 0].map((ms) =>
    format(ms, 1),
  ),
  ...[report.before.own, report.most.own, report.most.mapped].map((megabytes) => format(megabytes)),
];

/** Measures the transfer of a snapshot. */
export const measureSnapshot = async (): Promise<void> => {
  await using cluster = await MeasuredCluster.create();
  const { members } = cluster;
  await cluster.launch();
  const reports = await cluster.collectReports();
  const leader = members.find((_, n) => reports[n]?.leads)!;
  const [other, receiver] = members.filter((member) => member !== leader) as [MeasuredMember, MeasuredMember];
  await receiver[Symbol.asyncDispose]();

  const endpoints = [leader.endpoint, other.endpoint];
  await using client = new Client({ endpoints });
  await fill(client);
  await using load = new Forked<PutCommand, PutMessage>("./put-load.ts", endpoints);
  await load.next("ready");
  load.send({ kind: "rate", perSecond: putsPerSecond });
  leader.begin();
  await new Promise((resolve) => setTimeout(resolve, quietMs));
  const quiet = await leader.report();

  leader.begin();
  const launched = receiver.launch();
  receiver.begin();
  const installed = await receiver.line("applied snapshot");
  const [sending, receiving] = await Promise.all([leader.report(), receiver.report()]);
  await leader.line("sent database snapshot");
  await launched;
  load.send({ kind: "finish" });
  const { acknowledged, unacknowledged } = await load.next("result");

  const [bytes, ms] = [Number(installed["bytes"]), Number(installed["tookMs"])];
  console.log(`${format(bytes / mebibyte)} MiB in ${format(ms / 1_000, 1)} s, ${putsPerSecond} puts/s beside it`);
  console.log(
    `elections: ${sending.term - quiet.term} (term ${sending.term}); puts: ${acknowledged} acknowledged, ${unacknowledged} not\n`,
  );
  printTable(
    ["", "delay p50 ms", "p99", "max", "turn CPU p99", "max", "MB before", "most", "and mapped"],
    [row("leader, puts only", quiet), row("leader, sending", sending), row("follower, receiving", receiving)],
    1,
  );
  console.log("Bounds: sender one chunk of 128 KiB, and the log kept for the receiver (at most 512 MiB);");
  console.log("receiver one chunk and a batch of 1 MiB, and the indexes of both stores while it installs.\n");
};

// A follower that has nothing is sent 256 MiB while clients write: what the leader and the follower feel of it.

import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client } from "../client/index.js";
import { Forked } from "./forked.js";
import type { PutCommand, PutMessage } from "./put-load.js";
import { format, printTable } from "./report.js";
import type { MemberCommand, MemberMessage, MemberReport } from "./snapshot-member.js";

const mebibyte = 1024 * 1024;
const storeBytes = 256 * mebibyte;
const valueBytes = 4 * 1024;
const putsPerTxn = 32;
const putsPerSecond = 1_000;
/** With no snapshot, to compare with. */
const quietMs = 10_000;
const installTimeoutMs = 300_000;

type Line = Readonly<Record<string, unknown>>;

class BenchMember implements AsyncDisposable {
  readonly lines: Line[] = [];
  private process: Forked<MemberCommand, MemberMessage> | undefined;
  private wake: () => void = () => undefined;

  constructor(
    readonly endpoint: string,
    private readonly flags: Readonly<Record<string, string>>,
  ) {}

  launch(): Promise<unknown> {
    this.process = new Forked("./snapshot-member.ts", [JSON.stringify(this.flags)], (message) => {
      if (message.kind !== "log") return;
      this.lines.push(message.line);
      this.wake();
    });
    return this.process.next("ready");
  }

  begin(): void {
    this.process?.send({ kind: "begin" });
  }

  report(): Promise<MemberReport> {
    if (this.process === undefined) throw new Error("it does not run");
    this.process.send({ kind: "report" });
    return this.process.next("report");
  }

  async line(text: string): Promise<Line> {
    const giveUpAt = performance.now() + installTimeoutMs;
    for (;;) {
      const line = this.lines.find(({ msg }) => msg === text);
      if (line !== undefined) return line;
      if (performance.now() > giveUpAt) throw new Error(`no "${text}" within ${installTimeoutMs} ms`);
      await Promise.race([
        new Promise<void>((resolve) => (this.wake = resolve)),
        new Promise((resolve) => setTimeout(resolve, 1_000)),
      ]);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.process?.[Symbol.asyncDispose]();
    this.process = undefined;
  }
}

/** Three members in a fresh folder; gone when the bench is. */
class BenchCluster implements AsyncDisposable {
  readonly members: readonly BenchMember[];

  constructor(private readonly folder: string) {
    this.members = membersIn(folder);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.members.map((member) => member[Symbol.asyncDispose]()));
    await rm(this.folder, { recursive: true, force: true });
  }
}

const membersIn = (folder: string): BenchMember[] => {
  const names = ["m1", "m2", "m3"];
  const peerUrl = (name: string): string => `unix://${join(folder, `${name}.peer`)}`;
  const initialCluster = names.map((name) => `${name}=${peerUrl(name)}`).join(",");
  return names.map((name) => {
    const client = join(folder, `${name}.client`);
    return new BenchMember(`unix:${client}`, {
      name,
      dataDir: join(folder, name),
      listenClientUrls: `unix://${client}`,
      advertiseClientUrls: `unix://${client}`,
      listenPeerUrls: peerUrl(name),
      initialAdvertisePeerUrls: peerUrl(name),
      initialCluster,
    });
  });
};

/** Values that do not compress. */
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
  ...[report.delayP50, report.delayP99, report.delayMax, report.ownP99, report.ownMax].map((ms) => format(ms, 1)),
  ...[report.before.own, report.most.own, report.most.mapped].map((megabytes) => format(megabytes)),
];

export const snapshot = async (): Promise<void> => {
  await using cluster = new BenchCluster(await mkdtemp(join(tmpdir(), "minietcd-bench-")));
  const { members } = cluster;
  await Promise.all(members.map((member) => member.launch()));
  const reports = await Promise.all(members.map((member) => member.report()));
  const leader = members.find((_, n) => reports[n]?.leads)!;
  const [other, receiver] = members.filter((member) => member !== leader) as [BenchMember, BenchMember];
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

  const [bytes, ms] = [Number(installed["bytes"]), Number(installed["ms"])];
  console.log(`${format(bytes / mebibyte)} MiB in ${format(ms / 1_000, 1)} s, ${putsPerSecond} puts/s beside it`);
  console.log(
    `elections: ${sending.term - quiet.term} (term ${sending.term}); puts: ${acknowledged} acknowledged, ${unacknowledged} not\n`,
  );
  printTable(
    ["", "delay p50 ms", "p99", "max", "own CPU p99", "max", "MB before", "most", "and mapped"],
    [row("leader, puts only", quiet), row("leader, sending", sending), row("follower, receiving", receiving)],
    1,
  );
  console.log("Bounds: sender one chunk of 128 KiB, and the log kept for the receiver (at most 512 MiB);");
  console.log("receiver one chunk and a batch of 1 MiB, and the indexes of both stores while it installs.\n");
};

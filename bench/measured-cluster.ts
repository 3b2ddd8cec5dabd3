// Members that report the delays of their event loops, each in a process of its own.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Forked } from "./forked.js";
import type { MemberCommand, MemberMessage, MemberReport } from "./measured-member.js";

/** A line of a member's log. */
export type LogLine = Readonly<Record<string, unknown>>;

const lineTimeoutMs = 300_000;

/** A member in a process of its own. */
export class MeasuredMember implements AsyncDisposable {
  readonly lines: LogLine[] = [];
  private process: Forked<MemberCommand, MemberMessage> | undefined;
  private wake: () => void = () => undefined;

  constructor(
    readonly endpoint: string,
    private readonly flags: Readonly<Record<string, string>>,
  ) {}

  launch(): Promise<unknown> {
    this.process = new Forked("./measured-member.ts", [JSON.stringify(this.flags)], (message) => {
      if (message.kind !== "log") return;
      this.lines.push(message.line);
      this.wake();
    });
    return this.process.next("ready");
  }

  /** The process id. @throws Error if the process does not run */
  get pid(): number {
    const pid = this.process?.pid;
    if (pid === undefined) throw new Error("it does not run");
    return pid;
  }

  /** Begins a measurement. */
  begin(): void {
    this.process?.send({ kind: "begin" });
  }

  report(): Promise<MemberReport> {
    if (this.process === undefined) throw new Error("it does not run");
    this.process.send({ kind: "report" });
    return this.process.next("report");
  }

  /** Waits for the first line of the log with a text, and returns it. */
  async line(text: string): Promise<LogLine> {
    const giveUpAt = performance.now() + lineTimeoutMs;
    for (;;) {
      const line = this.lines.find(({ msg }) => msg === text);
      if (line !== undefined) return line;
      if (performance.now() > giveUpAt) throw new Error(`no "${text}" within ${lineTimeoutMs} ms`);
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

/** Three members in a temporary folder, which is removed on dispose. */
export class MeasuredCluster implements AsyncDisposable {
  readonly members: readonly MeasuredMember[];

  private constructor(private readonly folder: string) {
    this.members = membersIn(folder);
  }

  /** Creates members; `launch` starts them. */
  static async create(): Promise<MeasuredCluster> {
    return new MeasuredCluster(await mkdtemp(join(tmpdir(), "minietcd-bench-")));
  }

  get endpoints(): string[] {
    return this.members.map(({ endpoint }) => endpoint);
  }

  get pids(): number[] {
    return this.members.map(({ pid }) => pid);
  }

  async launch(): Promise<void> {
    await Promise.all(this.members.map((member) => member.launch()));
  }

  begin(): void {
    for (const member of this.members) member.begin();
  }

  collectReports(): Promise<MemberReport[]> {
    return Promise.all(this.members.map((member) => member.report()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.members.map((member) => member[Symbol.asyncDispose]()));
    await rm(this.folder, { recursive: true, force: true });
  }
}

const membersIn = (folder: string): MeasuredMember[] => {
  const names = ["m1", "m2", "m3"];
  const initialCluster = names.map((name) => `${name}=${peerUrlIn(folder, name)}`).join(",");
  return names.map((name) => memberIn(folder, name, { initialCluster }));
};

const peerUrlIn = (folder: string, name: string): string => `unix://${join(folder, `${name}.peer`)}`;

/** Returns a member with its data directory and sockets in `folder`: a cluster of its own, unless `flags` name another. */
export const memberIn = (
  folder: string,
  name: string,
  flags: Readonly<Record<string, string>> = {},
): MeasuredMember => {
  const client = join(folder, `${name}.client`);
  const peerUrl = peerUrlIn(folder, name);
  return new MeasuredMember(`unix:${client}`, {
    name,
    dataDir: join(folder, name),
    listenClientUrls: `unix://${client}`,
    advertiseClientUrls: `unix://${client}`,
    listenPeerUrls: peerUrl,
    initialAdvertisePeerUrls: peerUrl,
    initialCluster: `${name}=${peerUrl}`,
    ...flags,
  });
};

// A member of etcd or minietcd that is started with the given flags only.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { pathOfTool } from "../../support/built-tools.js";
import { endWithTests } from "../../support/child-processes.js";
import { within } from "../../support/deadline.js";

export type Kind = "etcd" | "minietcd";

const timeoutMs = 30_000;
const minietcd = fileURLToPath(new URL("../../../dist/cli/minietcd.js", import.meta.url));
const commandOf = (kind: Kind): readonly [string, ...string[]] =>
  kind === "etcd" ? [pathOfTool("etcd/etcd")] : [process.execPath, minietcd];

/** The fields of a log line that the tests read. */
interface Line {
  readonly level: string;
  readonly msg: string;
  readonly error?: string;
  readonly node?: string;
}

/** The members of a cluster as one of them lists them. */
export interface MemberList {
  readonly header: { readonly cluster_id: string };
  readonly members: readonly { readonly ID: string; readonly name?: string; readonly peerURLs: readonly string[] }[];
}

/** A member in its process. */
export class Member implements AsyncDisposable {
  private log = "";
  private code: number | undefined;
  private readonly child: ChildProcess;
  private readonly whenEnded: Promise<unknown>;
  private waiting: (() => void)[] = [];

  constructor(
    kind: Kind,
    readonly clientUrl: string,
    flags: readonly string[],
    environment: Readonly<Record<string, string>> = {},
  ) {
    const [program, ...words] = commandOf(kind);
    const urls = [`--listen-client-urls=${clientUrl}`, `--advertise-client-urls=${clientUrl}`];
    const env = { PATH: process.env["PATH"], ...environment };
    const stdio = ["ignore", "pipe", "pipe"] as const;
    const child = endWithTests(spawn(program, [...words, ...urls, ...flags], { env, stdio: [...stdio] }));
    for (const output of [child.stdout, child.stderr])
      output.setEncoding("utf8").on("data", (text: string) => {
        this.log += text;
        this.wake();
      });
    this.child = child;
    this.whenEnded = once(child, "close").then(([code]) => {
      this.code = (code as number | null) ?? -1;
      this.wake();
    });
  }

  /**
   * Waits until the member serves clients, or has ended.
   * @returns whether it serves them
   */
  async whenStarted(): Promise<boolean> {
    return (await this.waitForLog("ready to serve client requests")) && this.code === undefined;
  }

  /**
   * Waits until its log has a text, or it has ended.
   * @returns whether the log has it
   */
  async waitForLog(text: string): Promise<boolean> {
    await this.waitUntil(`"${text}" in the log`, () => this.code !== undefined || this.log.includes(text));
    return this.log.includes(text);
  }

  /** The reason for its end. */
  get reason(): string | undefined {
    return this.lines.findLast(({ level, error }) => ["fatal", "warn"].includes(level) && error !== undefined)?.error;
  }

  /** The members that it found in DNS, from its log. */
  get found(): readonly string[] {
    return this.lines.flatMap(({ msg, node }) => (msg.startsWith("got bootstrap from DNS") ? [node ?? ""] : []));
  }

  private async waitUntil(what: string, isTrue: () => boolean): Promise<void> {
    const wait = async () => {
      while (!isTrue()) await new Promise<void>((resolve) => this.waiting.push(resolve));
    };
    await within(timeoutMs, `${what}, with the log\n${this.log}`, wait());
  }

  private wake(): void {
    for (const resolve of this.waiting.splice(0)) resolve();
  }

  private get lines(): readonly Line[] {
    return this.log
      .split("\n")
      .filter((line) => line.startsWith("{"))
      .map((line) => JSON.parse(line) as Line);
  }

  async list(): Promise<MemberList> {
    const response = await fetch(`${this.clientUrl}/v3/cluster/member/list`, { method: "POST", body: "{}" });
    return (await response.json()) as MemberList;
  }

  async stop(): Promise<void> {
    this.child.kill("SIGKILL");
    await this.whenEnded;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}

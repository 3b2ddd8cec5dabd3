// etcd and minietcd behind one interface: clusters of processes with etcd's flags, for tests that compare the two.

import { execFile, spawn, type ChildProcess } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { TlsOptions } from "../../client/index.js";
import { pathOfTool } from "./built-tools.js";
import { endWithTests } from "./child-processes.js";
import { eventually, within } from "./deadline.js";
import { patientClient } from "./patient-client.js";
import { electionFlags } from "./election-flags.js";
import { scaleMs } from "./machine-speed.js";
import { freePorts } from "./free-ports.js";
import { withoutWarmUp } from "./minietcd-process.js";
import { startOrDispose } from "./start-or-dispose.js";

/**
 * `etcd`: the program on the PATH, Debian's 3.4. `etcd-3.7`: the one that test/interop/tools/build builds. `minietcd`: the built
 * `dist/cli/minietcd.js`.
 */
export type ServerKind = "etcd" | "etcd-3.7" | "minietcd";

export interface EtcdClusterOptions {
  readonly kind: ServerKind;
  /** Another etcd than the one on the PATH. */
  readonly program?: string;
  /** Default: 1. */
  readonly members?: number;
  /** TLS of the client URLs, which then are https: the options of a client. The flags name the certificates. */
  readonly tls?: TlsOptions;
  /** Further flags for every member, in etcd's form. */
  readonly flags?: readonly string[];
  /** Variables for the members, which get none of etcd's from this process. */
  readonly environment?: Readonly<Record<string, string>>;
}

const minietcdProgram = fileURLToPath(new URL("../../dist/cli/minietcd.js", import.meta.url));
const commands: Record<ServerKind, () => readonly [string, ...string[]]> = {
  etcd: () => ["etcd"],
  "etcd-3.7": () => [pathOfTool("etcd/etcd")],
  minietcd: () => [process.execPath, minietcdProgram],
};

const execFileAsync = promisify(execFile);

const readyTimeoutMs = 20_000;
const exitTimeoutMs = 20_000;
/** Timeout of one request to a member that may not have started yet. */
const probeTimeoutMs = 1_000;
/** Characters that are kept from the end of a member's output. */
const maxLogLength = 64 * 1024;

/** One member. Its ports and its data stay the same across restarts. */
export class EtcdMember {
  /** The end of its output. */
  log = "";
  private child: ChildProcess | undefined;
  private whenExited: Promise<void> = Promise.resolve();

  constructor(
    readonly name: string,
    /** `host:port` of its client port, after `https://` with TLS. */
    readonly endpoint: string,
    readonly peerUrl: string,
    readonly dataDir: string,
    private readonly command: readonly [string, ...string[]],
    private readonly environment: Readonly<Record<string, string>>,
    private readonly tls?: TlsOptions,
  ) {}

  get isRunning(): boolean {
    return this.child !== undefined;
  }

  /** @throws Error if the process does not run */
  get pid(): number {
    const pid = this.child?.pid;
    if (pid === undefined) throw new Error(`${this.name} is not running`);
    return pid;
  }

  /** Starts the process unless it runs. */
  launch(): void {
    if (this.child !== undefined) return;
    const [program, ...args] = this.command;
    const { PATH, HOME } = process.env; // no variable of etcd's
    const env = { PATH, HOME, ...this.environment };
    const child = endWithTests(spawn(program, args, { env, stdio: ["ignore", "pipe", "pipe"] }));
    this.log = "";
    const keep = (text: string) => (this.log = (this.log + text).slice(-maxLogLength));
    for (const output of [child.stdout, child.stderr]) output.setEncoding("utf8").on("data", keep);
    this.child = child;
    this.whenExited = new Promise((resolve) => {
      const onEnd = () => {
        this.child = undefined;
        resolve();
      };
      child.once("close", onEnd);
      child.once("error", (error) => {
        keep(`\n${error.message}`);
        if (child.pid === undefined) onEnd(); // "close" will not be emitted
      });
    });
  }

  /**
   * Waits until the member answers a linearizable read, which needs a quorum.
   * | @throws Error with its log if it ends before, or takes too long
   */
  async whenReady(): Promise<void> {
    await using client = patientClient({
      endpoints: [this.endpoint],
      requestTimeoutMs: scaleMs(probeTimeoutMs),
      tls: this.tls,
    });
    const probe = eventually(readyTimeoutMs, `${this.name} is ready`, () => client.kv.get("ready?"));
    const ended = this.whenExited.then(() => {
      throw new Error(`${this.name} ended before it was ready`);
    });
    ended.catch(() => undefined); // rejected when the member ends later
    probe.catch(() => undefined); // rejected when the member has ended
    try {
      await Promise.race([probe, ended]);
    } catch (error) {
      throw new Error(`${(error as Error).message}\n${this.log}`, { cause: error });
    }
  }

  /** Sends a signal and returns at once. */
  signal(signal: NodeJS.Signals): void {
    this.child?.kill(signal);
  }

  /** Stops the process (SIGSTOP) and waits until it has stopped: it runs for a moment after the signal was sent. */
  async freeze(): Promise<void> {
    this.signal("SIGSTOP");
    await eventually(exitTimeoutMs, `${this.name} to stand still`, async () => {
      const { stdout } = await execFileAsync("ps", ["-o", "state=", "-p", String(this.pid)]);
      return stdout.startsWith("T") || undefined;
    });
  }

  /** Ends the process, and waits for its end. */
  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
    this.signal(signal);
    await within(exitTimeoutMs, `the end of ${this.name}`, this.whenExited);
  }

  /** Ends the process if it runs, and starts it again with the same data. */
  async restart(signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
    await this.stop(signal);
    this.launch();
    await this.whenReady();
  }
}

/** Members in a folder of their own. `await using` ends the processes and removes the folder. */
export class EtcdCluster implements AsyncDisposable {
  private isDisposed = false;

  constructor(
    readonly kind: ServerKind,
    readonly folder: string,
    readonly members: readonly EtcdMember[],
  ) {}

  get endpoints(): string[] {
    return this.members.map(({ endpoint }) => endpoint);
  }

  member(position: number): EtcdMember {
    const member = this.members[position];
    if (member === undefined) throw new RangeError(`no member ${position} in a cluster of ${this.members.length}`);
    return member;
  }

  /** Starts the members that do not run, and waits until all serve clients. */
  async start(): Promise<void> {
    for (const member of this.members) member.launch();
    await Promise.all(this.members.map((member) => member.whenReady()));
  }

  /** Ends the members; may be called twice. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.isDisposed) return;
    this.isDisposed = true;
    await Promise.all(this.members.map((member) => member.stop("SIGKILL")));
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** Starts a cluster that serves clients: `await using cluster = await startEtcdCluster({ kind: "etcd", members: 3 })`. */
export const startEtcdCluster = async (options: EtcdClusterOptions): Promise<EtcdCluster> =>
  startOrDispose(await createEtcdCluster(options));

/**
 * Starts several clusters that serve clients. If one cannot start, the others are ended, because their processes would keep the tests
 * from ending.
 */
export async function startEtcdClusters(options: readonly EtcdClusterOptions[]): Promise<readonly EtcdCluster[]> {
  const starts = await Promise.allSettled(options.map(startEtcdCluster));
  const clusters = starts.flatMap((start) => (start.status === "fulfilled" ? [start.value] : []));
  const failed = starts.find((start) => start.status === "rejected");
  if (failed === undefined) return clusters;
  await Promise.all(clusters.map((cluster) => cluster[Symbol.asyncDispose]()));
  throw failed.reason;
}

/** Creates a cluster whose members are not started. */
export async function createEtcdCluster({
  kind,
  program,
  members: size = 1,
  tls,
  flags = [],
  environment = {},
}: EtcdClusterOptions): Promise<EtcdCluster> {
  const command: readonly [string, ...string[]] = program === undefined ? commands[kind]() : [program];
  const folder = await mkdtemp(join(tmpdir(), `${kind}-`));
  const ports = await freePorts(2 * size);
  const addresses = Array.from({ length: size }, (_, position) => ({
    name: `m${position + 1}`,
    endpoint: `127.0.0.1:${ports[2 * position] ?? 0}`,
    peerUrl: `http://127.0.0.1:${ports[2 * position + 1] ?? 0}`,
  }));
  const scheme = tls === undefined ? "http" : "https";
  const initialCluster = addresses.map(({ name, peerUrl }) => `${name}=${peerUrl}`).join(",");
  const elections = size === 1 ? [] : electionFlags({ heartbeatMs: 100, electionMs: 1_000 });
  const members = addresses.map(({ name, endpoint, peerUrl }) => {
    const dataDir = join(folder, name);
    const own = [
      `--name=${name}`,
      `--data-dir=${dataDir}`,
      `--listen-client-urls=${scheme}://${endpoint}`,
      `--advertise-client-urls=${scheme}://${endpoint}`,
      `--listen-peer-urls=${peerUrl}`,
      `--initial-advertise-peer-urls=${peerUrl}`,
      `--initial-cluster=${initialCluster}`,
    ];
    const shown = tls === undefined ? endpoint : `https://${endpoint}`;
    const words = [...command, ...own, ...elections, ...flags] as const;
    const added = kind === "minietcd" ? { ...withoutWarmUp, ...environment } : environment;
    return new EtcdMember(name, shown, peerUrl, dataDir, words, added, tls);
  });
  return new EtcdCluster(kind, folder, members);
}

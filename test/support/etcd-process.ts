// Real etcd and minietcd by one interface: clusters of processes with etcd's flags, for tests that compare the two.

import { execFile, spawn, type ChildProcess } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type AddressInfo, type Server } from "node:net";
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
import { scaledMs } from "./machine-speed.js";
import { withoutWarmUp } from "./minietcd-process.js";

/**
 * `etcd`: the program on the PATH, Debian's 3.4. `etcd-3.7`: the one that test/interop/tools/build makes. `minietcd`: the
 * built one, `dist/cli/minietcd.js`.
 */
export type ServerKind = "etcd" | "etcd-3.7" | "minietcd";

export interface EtcdClusterOptions {
  readonly kind: ServerKind;
  /** Another etcd than the one on the PATH. */
  readonly program?: string;
  /** Default: 1. */
  readonly members?: number;
  /** TLS of the client URLs, which say https then: the options of a client. The flags name the certificates. */
  readonly tls?: TlsOptions;
  /** Further flags for every member, as etcd writes them. */
  readonly flags?: readonly string[];
  /** Added to an environment that holds nothing of etcd's. */
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
/** One question to a member that may not be there yet. */
const probeTimeoutMs = 1_000;
/** Characters that are kept of the end of a member's output. */
const maxLogLength = 64 * 1024;
/** Somebody else may take a port between our finding it free and a member's listening on it. */
const maxPortAttempts = 3;

/** One member. Its ports and its data stay the same over restarts. */
export class EtcdMember {
  /** The end of what it has written. */
  log = "";
  private child: ChildProcess | undefined;
  private exited: Promise<void> = Promise.resolve();

  constructor(
    readonly name: string,
    /** `host:port` of its client port, behind `https://` with TLS. */
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

  /** @throws Error if it does not run */
  get pid(): number {
    const pid = this.child?.pid;
    if (pid === undefined) throw new Error(`${this.name} is not running`);
    return pid;
  }

  /** Starts the process, if it does not run. */
  launch(): void {
    if (this.child !== undefined) return;
    const [program, ...args] = this.command;
    const { PATH, HOME } = process.env; // and nothing of etcd's
    const env = { PATH, HOME, ...this.environment };
    const child = endWithTests(spawn(program, args, { env, stdio: ["ignore", "pipe", "pipe"] }));
    this.log = "";
    const keep = (text: string) => (this.log = (this.log + text).slice(-maxLogLength));
    for (const output of [child.stdout, child.stderr]) output.setEncoding("utf8").on("data", keep);
    this.child = child;
    this.exited = new Promise((resolve) => {
      const onEnd = () => {
        this.child = undefined;
        resolve();
      };
      child.once("close", onEnd);
      child.once("error", (error) => {
        keep(`\n${error.message}`);
        if (child.pid === undefined) onEnd(); // there will be no "close"
      });
    });
  }

  /**
   * Waits until it answers a linearizable read, which needs a quorum.
   *
   * @throws Error with its log if it ends before, or takes too long
   */
  async ready(): Promise<void> {
    await using client = patientClient({
      endpoints: [this.endpoint],
      requestTimeoutMs: scaledMs(probeTimeoutMs),
      tls: this.tls,
    });
    const probe = eventually(readyTimeoutMs, `${this.name} is ready`, () => client.kv.get("ready?"));
    const ended = this.exited.then(() => {
      throw new Error(`${this.name} ended before it was ready`);
    });
    ended.catch(() => undefined); // it ends sooner or later
    probe.catch(() => undefined); // and then the probe finds nobody
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

  /** Stops the process (SIGSTOP) and waits until it stands still: it goes on for a moment after the signal was sent. */
  async freeze(): Promise<void> {
    this.signal("SIGSTOP");
    await eventually(exitTimeoutMs, `${this.name} to stand still`, async () => {
      const { stdout } = await execFileAsync("ps", ["-o", "state=", "-p", String(this.pid)]);
      return stdout.startsWith("T") || undefined;
    });
  }

  /** Ends the process, and waits until it has ended. */
  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
    this.signal(signal);
    await within(exitTimeoutMs, `the end of ${this.name}`, this.exited);
  }

  /** Ends it if it runs, and starts it again with the same data. */
  async restart(signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
    await this.stop(signal);
    this.launch();
    await this.ready();
  }
}

/** Some members with one fresh folder. `await using` ends the processes and removes the folder. */
export class EtcdCluster implements AsyncDisposable {
  private disposed = false;

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

  /** Starts those that do not run, and waits until all serve clients. */
  async start(): Promise<void> {
    for (const member of this.members) member.launch();
    await Promise.all(this.members.map((member) => member.ready()));
  }

  /** May be called twice. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.disposed) return;
    this.disposed = true;
    await Promise.all(this.members.map((member) => member.stop("SIGKILL")));
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** `await using cluster = await startEtcdCluster({ kind: "etcd", members: 3 })`: a cluster that serves clients. */
export async function startEtcdCluster(options: EtcdClusterOptions): Promise<EtcdCluster> {
  for (let attempt = 1; ; attempt++) {
    const cluster = await createEtcdCluster(options);
    try {
      await cluster.start();
      return cluster;
    } catch (error) {
      const taken = cluster.members.some(({ log }) => /address already in use|EADDRINUSE/.test(log));
      await cluster[Symbol.asyncDispose]();
      if (!taken || attempt === maxPortAttempts) throw error;
    }
  }
}

/** Clusters that serve clients. If one cannot, the others are ended: their processes would keep the tests from ending. */
export async function startEtcdClusters(options: readonly EtcdClusterOptions[]): Promise<readonly EtcdCluster[]> {
  const starts = await Promise.allSettled(options.map(startEtcdCluster));
  const clusters = starts.flatMap((start) => (start.status === "fulfilled" ? [start.value] : []));
  const failed = starts.find((start) => start.status === "rejected");
  if (failed === undefined) return clusters;
  await Promise.all(clusters.map((cluster) => cluster[Symbol.asyncDispose]()));
  throw failed.reason;
}

/** A cluster whose members have not been started. */
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

/** Ports of 127.0.0.1 that nobody listens on now: all are held until all are found. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(Array.from({ length: count }, listenAnywhere));
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

const listenAnywhere = (): Promise<Server> =>
  new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => resolve(server));
  });

// A cluster of real `minietcd` processes for one test, with its own directories and without fixed ports. Its end removes everything.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Client, StatusResult, TlsOptions } from "../../client/index.js";
import { eventually } from "./deadline.js";
import { MinietcdProcess, type Exit, type ProcessOptions } from "./minietcd-process.js";
import { patientClient } from "./patient-client.js";
import { scaleMs } from "./machine-speed.js";
import { electionFlags } from "./election-flags.js";
import { startOrDispose } from "./start-or-dispose.js";

export interface ClusterOptions {
  readonly members?: number;
  /** Flags for every member; of repeated flags the last counts. */
  readonly flags?: readonly string[];
  /** Limit of open files for each member. */
  readonly maxFiles?: number;
  /** TLS of all sockets: the options of a client. The flags name the certificates of the members, which must be for localhost. */
  readonly tls?: TlsOptions;
}

/** Short timeouts, so that tests without a quorum are short. */
export const fastElections = electionFlags({ heartbeatMs: 20, electionMs: 200 });

const deadlineMs = 20_000;

export class ClusterMember {
  private process: MinietcdProcess | undefined;

  constructor(
    readonly name: string,
    readonly dataDir: string,
    /** The member's client socket in the test's folder: the same after a restart, unlike port 0. */
    readonly endpoint: string,
    private readonly args: readonly string[],
    private readonly options: Pick<ProcessOptions, "maxFiles"> = {},
    private readonly tls?: TlsOptions,
  ) {}

  /** @throws Error if the process does not run */
  get running(): MinietcdProcess {
    if (this.process === undefined) throw new Error(`${this.name} has not been started`);
    return this.process;
  }

  get isRunning(): boolean {
    return this.process?.isRunning ?? false;
  }

  /** `host:port` of the client port. */
  get address(): string {
    const ready = readyLine(this.running);
    const addresses = (ready?.["clientAddresses"] ?? []) as string[];
    const tcp = addresses.find((address) => !address.startsWith("/"));
    if (tcp === undefined) throw new Error(`${this.name} has no client port`);
    return tcp;
  }

  /** Starts the process; `whenReady` resolves when it serves clients. */
  launch(): void {
    this.process = MinietcdProcess.start(this.args, { ...this.options, supervised: true });
  }

  async whenReady(): Promise<void> {
    await this.running.waitFor(`${this.name} is ready`, readyLine, deadlineMs);
  }

  async kill(signal: NodeJS.Signals = "SIGKILL"): Promise<Exit> {
    return this.running.end(signal);
  }

  async restart(): Promise<void> {
    if (this.isRunning) await this.kill("SIGTERM");
    this.launch();
    await this.whenReady();
  }

  /** Freezes the process: its connections stay open, and it sends nothing. */
  pause(): void {
    this.running.signal("SIGSTOP");
  }

  resume(): void {
    this.running.signal("SIGCONT");
  }

  /** Returns a client of this member only. */
  client(): Client {
    return patientClient({ endpoints: [this.endpoint], tls: this.tls });
  }
}

const readyLine = (process: MinietcdProcess): Record<string, unknown> | undefined =>
  process.stderr.includes("ready to serve")
    ? process.log.find((line) => line["msg"] === "ready to serve client requests")
    : undefined;

export class TestCluster implements AsyncDisposable {
  /** A client of all members. */
  readonly client: Client;

  constructor(
    /** The test's own folder; removed with the cluster. */
    readonly folder: string,
    readonly members: readonly ClusterMember[],
    tls?: TlsOptions,
  ) {
    this.client = patientClient({ endpoints: this.endpoints, tls });
  }

  get endpoints(): string[] {
    return this.members.map((member) => member.endpoint);
  }

  member(position: number): ClusterMember {
    const member = this.members[position];
    if (member === undefined) throw new RangeError(`no member ${position}`);
    return member;
  }

  /** Starts the members that do not run, and waits until all serve clients. */
  async start(): Promise<void> {
    for (const member of this.members) if (!member.isRunning) member.launch();
    await Promise.all(this.members.map((member) => member.whenReady()));
  }

  /** Waits until all running members name the same leader, and returns it. */
  async leader(
    among: readonly ClusterMember[] = this.members.filter(({ isRunning }) => isRunning),
  ): Promise<ClusterMember> {
    return eventually(deadlineMs, "a leader that all agree on", async () => {
      const statuses = await Promise.all(among.map((member) => this.status(member)));
      const leader = statuses[0]?.leader ?? 0n;
      if (leader === 0n || statuses.some((status) => status.leader !== leader)) return undefined;
      return among.find((_member, position) => statuses[position]?.header.memberId === leader);
    });
  }

  async followers(): Promise<ClusterMember[]> {
    const leader = await this.leader();
    return this.members.filter((member) => member !== leader);
  }

  status(member: ClusterMember): Promise<StatusResult> {
    return this.client.maintenance.status(member.endpoint, { timeoutMs: scaleMs(1_000) });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.client.close();
    await Promise.all(this.members.filter(({ isRunning }) => isRunning).map((member) => member.kill("SIGKILL")));
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** Creates a cluster in a fresh folder, without starting its members. */
export const createCluster = async ({
  members = 3,
  flags = [],
  maxFiles,
  tls,
}: ClusterOptions = {}): Promise<TestCluster> => {
  const [http, unix] = tls === undefined ? ["http", "unix"] : ["https", "unixs"];
  const folder = await mkdtemp(join(tmpdir(), "minietcd-"));
  const names = Array.from({ length: members }, (_, position) => `m${position + 1}`);
  const peerUrl = (name: string): string => `${unix}://${join(folder, `${name}.peer`)}`;
  const initialCluster = names.map((name) => `${name}=${peerUrl(name)}`).join(",");
  return new TestCluster(
    folder,
    names.map((name) => {
      const dataDir = join(folder, name);
      const socket = join(folder, `${name}.client`);
      const args = [
        `--name=${name}`,
        `--data-dir=${dataDir}`,
        `--listen-client-urls=${http}://127.0.0.1:0,${unix}://${socket}`,
        `--advertise-client-urls=${http}://127.0.0.1:0`,
        `--listen-peer-urls=${peerUrl(name)}`,
        `--initial-advertise-peer-urls=${peerUrl(name)}`,
        `--initial-cluster=${initialCluster}`,
        ...electionFlags({ heartbeatMs: 100, electionMs: 1_000 }),
        ...flags,
      ];
      const files = maxFiles === undefined ? {} : { maxFiles };
      return new ClusterMember(name, dataDir, `${unix}:${socket}`, args, files, tls);
    }),
    tls,
  );
};

/** Starts a cluster that serves clients: `await using cluster = await startCluster({ members: 3 })`. */
export const startCluster = async (options: ClusterOptions = {}): Promise<TestCluster> =>
  startOrDispose(await createCluster(options));

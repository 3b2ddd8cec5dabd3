import { spawn, type ChildProcess } from "node:child_process";
import { closeSync, mkdirSync, openSync } from "node:fs";
import { join, relative } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { InvalidArgumentError, Option, type Command } from "commander";
import type { MemberEvent, SupervisorCommand } from "./messages.js";

interface ClusterFlags {
  readonly dataDir: string;
  readonly clientPorts: readonly number[];
  readonly peerPorts: readonly number[];
}

/** How long members may take to let go of their clients (they give those calls 5 s), and to stop in order before they are killed. */
const drainPatienceMs = 6_000;
const stopPatienceMs = 10_000;

const parsePorts = (value: string): number[] => {
  const ports = value.split(",").map(Number);
  if (!ports.every((port) => Number.isInteger(port) && port > 0 && port < 65_536))
    throw new InvalidArgumentError("expected ports like 2379,22379,32379.");
  return ports;
};

const portsOption = (flags: string, description: string, ports: readonly number[]): Option =>
  new Option(flags, description).argParser(parsePorts).default(ports, ports.join());

/** `minietcd cluster`: a local cluster of member processes for development. */
export const addClusterCommand = (program: Command): void => {
  program
    .command("cluster")
    .description("start a local three-member cluster, one process a member; Ctrl-C stops it, a second start continues")
    .option("--data-dir <path>", "data in <path>/<member>, logs in <path>/<member>.log", "data")
    .addOption(portsOption("--client-ports <ports>", "client port of each member", [2379, 22379, 32379]))
    .addOption(portsOption("--peer-ports <ports>", "peer port of each member", [2380, 22380, 32380]))
    .addHelpText(
      "after",
      "\nThere are as many members as ports, named m1, m2, m3.\n" +
        "\nExample:\n  minietcd cluster --data-dir /tmp/demo --client-ports 12379,12381,12383 --peer-ports 12380,12382,12384",
    )
    .action(async (flags: ClusterFlags) => {
      if (flags.clientPorts.length !== flags.peerPorts.length)
        program.error("error: --client-ports and --peer-ports must name as many ports each");
      await new Supervisor(flags).run();
    });
};

/** One member process as the supervisor sees it. */
interface MemberProcess {
  readonly name: string;
  readonly clientPort: number;
  readonly peerPort: number;
  readonly args: readonly string[];
  readonly child: ChildProcess;
  readonly log: string;
  /** Resolves when the process has ended. */
  readonly exited: Promise<void>;
  /** Resolves when it serves no client any more. */
  readonly drained: Promise<void>;
  onDrained: () => void;
  id: string;
  ready: boolean;
  failure: string | undefined;
}

const minietcd = fileURLToPath(new URL("../minietcd.js", import.meta.url));

/** Starts the members, tells what happens to them, and stops them in order. It restarts nobody. */
class Supervisor {
  private members: readonly MemberProcess[] = [];
  private leader = { id: "", term: 0 };
  private announced = false;
  private stopping = false;
  private done: (exitCode: number) => void = () => undefined;

  constructor(private readonly flags: ClusterFlags) {}

  async run(): Promise<void> {
    const finished = new Promise<number>((resolve) => (this.done = resolve));
    mkdirSync(this.flags.dataDir, { recursive: true, mode: 0o700 });
    process.stdout.on("error", () => undefined); // whoever read the lines may leave; the cluster stays
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => this.onSignal());
    this.members = this.flags.clientPorts.map((_port, position) => this.startMember(position));
    console.log(`Starting ${this.members.length} members, data in ${this.flags.dataDir}/ …`);
    process.exitCode = await finished;
  }

  private startMember(position: number): MemberProcess {
    const args = memberArgs(this.flags, position);
    const name = nameOf(position);
    const log = join(this.flags.dataDir, `${name}.log`);
    const output = openSync(log, "a", 0o600);
    // Its own process group: Ctrl-C reaches the supervisor alone. The channel ends the member if the supervisor dies.
    const child = spawn(process.execPath, [minietcd, ...args], {
      detached: true,
      stdio: ["ignore", output, output, "ipc"],
    });
    closeSync(output);
    const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
    let onDrained = (): void => undefined;
    const drained = new Promise<void>((resolve) => (onDrained = resolve));
    void exited.then(onDrained);
    const { clientPorts, peerPorts } = this.flags;
    const member: MemberProcess = {
      name,
      clientPort: clientPorts[position] ?? 0,
      peerPort: peerPorts[position] ?? 0,
      args,
      child,
      log,
      exited,
      drained,
      onDrained,
      id: "",
      ready: false,
      failure: undefined,
    };
    child.on("message", (event) => this.onEvent(member, event as MemberEvent));
    child.once("exit", (code, signal) => this.onExit(member, signal ?? `exit code ${code ?? "unknown"}`));
    return member;
  }

  private onEvent(member: MemberProcess, event: MemberEvent): void {
    switch (event.kind) {
      case "ready":
        member.ready = true;
        break;
      case "drained":
        member.onDrained();
        break;
      case "leader":
        member.id = event.self;
        this.onLeader(event.leader, event.term);
        break;
      case "failed":
        member.failure = event.reason;
        break;
    }
    if (!this.announced && this.members.every(({ ready, id }) => ready && id !== "") && this.leader.id !== "")
      this.announce();
  }

  private onLeader(id: string, term: number): void {
    if (id === "" || term < this.leader.term || (id === this.leader.id && term === this.leader.term)) return;
    this.leader = { id, term };
    if (this.announced && !this.stopping) console.log(`${now()} leader is now ${this.nameOf(id)} (term ${term})`);
  }

  private onExit(member: MemberProcess, how: string): void {
    const alive = this.members.filter(isAlive);
    if (this.stopping) {
      if (alive.length === 0) this.stopped();
      return;
    }
    if (!this.announced) {
      console.error(`${member.name} cannot start: ${member.failure ?? `${how}, see ${member.log}`}`);
      process.exitCode = 1;
      void this.stop();
      return;
    }
    console.log(`${now()} ${member.name} has ended: ${member.failure ?? how}. To start it again:`);
    console.log(`  node ${relative(process.cwd(), minietcd)} ${member.args.join(" ")}`);
    if (alive.length > 0) return;
    console.error("All members have ended.");
    this.done(1);
  }

  /** The first signal stops in order, a second one kills. */
  private onSignal(): void {
    if (this.stopping) {
      for (const { child } of this.members.filter(isAlive)) child.kill("SIGKILL");
      return;
    }
    console.log("\nStopping …");
    void this.stop();
  }

  /**
   * All let go of their clients while there is a quorum for the last calls. Then followers first: while the leader lives,
   * nobody holds an election for the sake of a stop.
   */
  private async stop(): Promise<void> {
    this.stopping = true;
    const order = [...this.members].sort((a, b) => Number(a.id === this.leader.id) - Number(b.id === this.leader.id));
    if (!order.some(isAlive)) {
      this.stopped();
      return;
    }
    await this.drain(order.filter((member) => member.ready && isAlive(member)));
    for (const member of order) {
      if (!isAlive(member)) continue;
      const patience = setTimeout(() => member.child.kill("SIGKILL"), stopPatienceMs);
      member.child.kill("SIGTERM");
      await member.exited;
      clearTimeout(patience);
    }
  }

  private async drain(members: readonly MemberProcess[]): Promise<void> {
    const command: SupervisorCommand = { kind: "drain" };
    for (const { child } of members) child.send(command, () => undefined); // should it not arrive, its end does
    const giveUp = new AbortController();
    const patience = delay(drainPatienceMs, undefined, { signal: giveUp.signal }).catch(() => undefined);
    await Promise.race([Promise.all(members.map(({ drained }) => drained)), patience]);
    giveUp.abort();
  }

  private stopped(): void {
    console.log("Stopped.");
    this.done(process.exitCode === undefined ? 0 : Number(process.exitCode));
  }

  private announce(): void {
    this.announced = true;
    const rows = this.members.map((member) => [
      member.name,
      member.id,
      `http://127.0.0.1:${member.clientPort}`,
      `http://127.0.0.1:${member.peerPort}`,
      String(member.child.pid),
      member.id === this.leader.id ? "leader" : "follower",
    ]);
    console.log(`\n${table([["MEMBER", "ID", "CLIENTS", "PEERS", "PID", "ROLE"], ...rows])}\n`);
    const endpoints = this.members.map((member) => `127.0.0.1:${member.clientPort}`).join(",");
    const ctl = `node ${relative(process.cwd(), join(minietcd, "..", "minietcdctl.js"))} --endpoints=${endpoints}`;
    console.log("Try, in another terminal (etcdctl takes the same words):");
    for (const example of ["put greeting hello", "get greeting", "endpoint status", "member list"])
      console.log(`  ${ctl} ${example}`);
    console.log("\nCtrl-C stops the cluster; its data stays.");
  }

  private nameOf(id: string): string {
    return this.members.find((member) => member.id === id)?.name ?? id;
  }
}

const nameOf = (position: number): string => `m${position + 1}`;

const isAlive = ({ child }: MemberProcess): boolean => child.exitCode === null && child.signalCode === null;

const now = (): string => new Date().toTimeString().slice(0, 8);

const memberArgs = ({ dataDir, clientPorts, peerPorts }: ClusterFlags, position: number): string[] => {
  const client = `http://127.0.0.1:${clientPorts[position] ?? 0}`;
  const peer = `http://127.0.0.1:${peerPorts[position] ?? 0}`;
  return [
    ["--name", nameOf(position)],
    ["--data-dir", join(dataDir, nameOf(position))],
    ["--listen-client-urls", client],
    ["--advertise-client-urls", client],
    ["--listen-peer-urls", peer],
    ["--initial-advertise-peer-urls", peer],
    ["--initial-cluster", peerPorts.map((port, n) => `${nameOf(n)}=http://127.0.0.1:${port}`).join(",")],
    ["--initial-cluster-token", "minietcd-cluster"],
  ].flat();
};

const table = (rows: readonly (readonly string[])[]): string => {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("   ")
        .trimEnd(),
    )
    .join("\n");
};

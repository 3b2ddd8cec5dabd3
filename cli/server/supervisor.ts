import { setTimeout as delay } from "node:timers/promises";
import { isInUse } from "../../server/index.js";
import { memberPlaces, type ClusterFlags } from "./cluster-flags.js";
import { goneText, missingText, otherPeerPortsText, quorumOf, runningText, startCommand } from "./cluster-texts.js";
import { type MemberListener, MemberProcess } from "./member-process.js";
import type { MemberEvent } from "./messages.js";

/** Times for members to stop serving clients (calls in progress get 5 s), and then to stop before they are killed. */
const drainTimeoutMs = 6_000;
const stopTimeoutMs = 10_000;
/** Time after which an unfinished start is reported, with the reason. */
const startTimeoutMs = 15_000;
/** Period in which the same problem of a member is reported once. */
const sameProblemMs = 60_000;

/** Starts the members, reports their events, and stops them in order. It restarts no member. */
export class Supervisor implements MemberListener {
  private members: readonly MemberProcess[] = [];
  private leader = { id: "", term: 0 };
  /** Whether the table of members has been printed. */
  private hasPrintedMembers = false;
  /** Number of members that ran when the lack of a quorum was last reported. */
  private reportedAlive = Infinity;
  private isStopping = false;
  /** The exit code once the members have been stopped. */
  private exitCode = 0;
  private readonly reportedProblems = new Map<string, number>();
  private resolveExit: (exitCode: number) => void = () => undefined;

  constructor(private readonly flags: ClusterFlags) {}

  /**
   * @returns the exit code, once all members have ended
   * @throws the system's error if a member's log cannot be opened
   */
  async run(): Promise<number> {
    const finished = new Promise<number>((resolve) => (this.resolveExit = resolve));
    process.stdout.on("error", () => undefined); // the reader of the lines may close the pipe; the cluster continues
    process.stderr.on("error", () => undefined);
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => this.onSignal());
    const started: MemberProcess[] = [];
    this.members = started;
    try {
      for (const place of memberPlaces(this.flags)) started.push(MemberProcess.start(place, this));
    } catch (error) {
      this.isStopping = true;
      for (const member of started) member.kill("SIGKILL");
      await Promise.all(started.map(({ whenExited }) => whenExited));
      throw error;
    }
    const { dataDir, memory } = this.flags;
    const place = memory ? `data in memory, logs in ${dataDir}/` : `data in ${dataDir}/`;
    console.log(`Starting ${started.length} members, ${place} …`);
    const timeout = setTimeout(() => this.reportWaiting(), startTimeoutMs);
    const exitCode = await finished;
    clearTimeout(timeout);
    return exitCode;
  }

  onEvent(member: MemberProcess, event: MemberEvent): void {
    if (event.kind === "leader") this.onLeader(event.leader, event.term);
    else if (event.kind === "problem") this.onProblem(member, event.text);
    else if (event.kind === "other-peer-urls") this.refusePeerPorts(member, event.used);
    this.announceIfStarted();
  }

  onEnd(member: MemberProcess, how: string): void {
    const anyAlive = this.members.some(({ isAlive }) => isAlive);
    if (this.isStopping) {
      if (!anyAlive) void this.endAfterMembers("Stopped.", this.exitCode);
      return;
    }
    if (!member.isReady) console.error(`${member.name} cannot start: ${withLog(member, how)}`);
    else if (this.flags.memory) console.log(`${now()} ${member.name} has ended: ${how}. ${goneText}`);
    else {
      console.log(`${now()} ${member.name} has ended: ${how}. To start it again:`);
      console.log(`  ${startCommand(member)}`);
    }
    if (!anyAlive) void this.endAfterMembers("All members have ended.", 1);
    else this.announceIfStarted();
  }

  private onLeader(id: string, term: number): void {
    if (id === "" || term < this.leader.term || (id === this.leader.id && term === this.leader.term)) return;
    this.leader = { id, term };
    if (this.hasPrintedMembers && !this.isStopping)
      console.log(`${now()} leader is now ${this.nameOf(id)} (term ${term})`);
  }

  private onProblem(member: MemberProcess, text: string): void {
    const problem = `${member.name}: ${text}, see ${member.place.log}`;
    const reportedAt = this.reportedProblems.get(problem) ?? -Infinity;
    if (this.isStopping || performance.now() - reportedAt < sameProblemMs) return;
    this.reportedProblems.set(problem, performance.now());
    console.error(`${now()} ${problem}`);
  }

  /** Stops the members: they were started with peer ports at which the members of this data do not look for each other. */
  private refusePeerPorts(member: MemberProcess, used: string): void {
    if (this.isStopping) return;
    console.error(otherPeerPortsText(this.flags, member, used));
    this.exitCode = 1;
    void this.stop();
  }

  private announceIfStarted(): void {
    if (this.hasPrintedMembers || this.isStopping) return;
    const running = this.members.filter(({ isAlive }) => isAlive);
    const missing = this.members.filter(({ isAlive }) => !isAlive);
    if (running.length > 0 && running.every(({ isReady, id }) => isReady && id !== "") && this.leader.id !== "") {
      this.hasPrintedMembers = true;
      console.log(runningText(this.flags, running, this.leader.id));
      if (missing.length > 0) console.log(missingText(this.flags, missing, running.length));
      console.log(`\nCtrl-C stops the cluster; its data ${this.dataText}.`);
    } else if (running.length < Math.min(quorumOf(this.members.length), this.reportedAlive) && running.length > 0) {
      this.reportedAlive = running.length;
      console.log(missingText(this.flags, missing, running.length));
      console.log(`\nCtrl-C stops the running members; their data ${this.dataText}.`);
    }
  }

  /** Reports a start that takes long. */
  private reportWaiting(): void {
    if (this.hasPrintedMembers || this.isStopping) return;
    for (const member of this.members.filter(({ isAlive, isReady }) => isAlive && !isReady))
      console.log(`${now()} still waiting for ${member.name} to be ready, see ${member.place.log}`);
  }

  /** Stops the members at the first signal, kills them at the second. */
  private onSignal(): void {
    if (this.isStopping) {
      for (const member of this.members) member.kill("SIGKILL");
      return;
    }
    console.log("\nStopping …");
    void this.stop();
  }

  /**
   * Stops all members. First all of them stop serving clients, while a quorum can complete the last calls. Then the followers
   * stop before the leader: while the leader runs, no member starts an election.
   */
  private async stop(): Promise<void> {
    this.isStopping = true;
    const alive = this.members.filter(({ isAlive }) => isAlive);
    const order = alive.sort((a, b) => Number(a.id === this.leader.id) - Number(b.id === this.leader.id));
    await this.drain(order.filter(({ isReady }) => isReady));
    for (const member of order) {
      const timeout = setTimeout(() => member.kill("SIGKILL"), stopTimeoutMs);
      member.kill("SIGTERM");
      await member.whenExited;
      clearTimeout(timeout);
    }
  }

  private async drain(members: readonly MemberProcess[]): Promise<void> {
    for (const member of members) member.drain();
    const giveUp = new AbortController();
    const timeout = delay(drainTimeoutMs, undefined, { signal: giveUp.signal }).catch(() => undefined);
    await Promise.race([Promise.all(members.map(({ whenDrained }) => whenDrained)), timeout]);
    giveUp.abort();
  }

  /** Ends the supervisor once its members have ended; prints the members that were started by hand and still run. */
  private async endAfterMembers(text: string, exitCode: number): Promise<void> {
    const others: string[] = [];
    for (const { name, place } of this.members) if (await isInUse(place.dataDir)) others.push(name);
    const who = others.join(" and ");
    if (others.length === 0) console.log(text);
    else if (this.isStopping) console.log(`Stopped. ${who}, started by hand, still runs.`);
    else console.log(`All members that were started here have ended; ${who}, started by hand, still runs.`);
    this.resolveExit(exitCode);
  }

  private get dataText(): string {
    return this.flags.memory ? "is lost then" : "is kept";
  }

  private nameOf(id: string): string {
    return this.members.find((member) => member.id === id)?.name ?? id;
  }
}

const withLog = ({ failure, place }: MemberProcess, how: string): string =>
  failure === undefined ? `${how}, see ${place.log}` : how;

const now = (): string => new Date().toTimeString().slice(0, 8);

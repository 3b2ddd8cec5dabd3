// Scripts of command lines: their format, and how they are played.

import { readFileSync } from "node:fs";
import { eventually } from "../../support/deadline.js";
import type { EtcdCluster } from "../../support/etcd-process.js";
import type { Answer, Ctl, RunningCtl } from "./ctl.js";
import { maskAnswer } from "./masks.js";
import { lengthen } from "../../support/machine-speed.js";
import { patientClient } from "../../support/patient-client.js";

export interface Step {
  /** The line of the script. */
  readonly line: string;
  readonly words: readonly string[];
  readonly stdin: string;
  readonly env: Readonly<Record<string, string>>;
}

/** The outcome of a step, in a form that can be compared across programs and servers. */
export interface Outcome extends Answer {
  readonly line: string;
}

/** Reads a script: see the heads of one-member.txt and watch-and-lease.txt for the form. */
export function readScript(name: string): Step[] {
  const text = readFileSync(new URL(name, import.meta.url), "utf8");
  const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#") && !line.startsWith("=="));
  return lines.map(parseStep);
}

function parseStep(line: string): Step {
  const [command = "", input] = line.split(" <<< ");
  const words = (command.match(/"(?:[^"\\]|\\.)*"|[^ ]+/g) ?? []).map((word) =>
    word.startsWith('"') ? (JSON.parse(word) as string) : word,
  );
  const first = words.findIndex((word) => !word.startsWith("ETCDCTL_"));
  const env = words.slice(0, first).map((word) => word.split("=", 2) as [string, string]);
  const stdin = input === undefined ? "" : (JSON.parse(input) as string);
  return { line, words: words.slice(first), stdin, env: Object.fromEntries(env) };
}

/** An endpoint without a listener. */
const deadEndpoint = "127.0.0.1:1";

/** Timeouts of steps that do not test timeouts: etcdctl's defaults are too short for a busy machine. */
const patience = { "--command-timeout": "60s", "--dial-timeout": "60s" } as const;

/** Returns variables for the timeouts that a step does not set itself. A flag and its variable together are an error. */
const timeoutVariables = (words: readonly string[]): Record<string, string> =>
  Object.fromEntries(
    Object.entries(patience)
      .filter(([flag]) => !words.some((word) => word.startsWith(flag)))
      .map(([flag, value]) => [`ETCDCTL_${flag.slice(2).replace("-", "_").toUpperCase()}`, value]),
  );

/** Scales a timeout of a script to the speed of the machine. */
const withTime = (word: string): string =>
  word.replace(/^(--command-timeout=)(\d+)ms$/, (_, flag: string, ms: string) => `${flag}${lengthen(Number(ms))}ms`);

/** Runs a script step by step, and masks the parts that must differ. */
export const play = (steps: readonly Step[], ctl: Ctl, cluster: EtcdCluster): Promise<Outcome[]> =>
  new Player(ctl, cluster).play(steps);

/** The leader of a cluster and a follower: ids in etcdctl's form, and endpoints. */
interface Roles {
  readonly leader: { readonly id: string; readonly endpoint: string };
  readonly follower: { readonly id: string; readonly endpoint: string };
}

/** Timeout until all running members have learned of a new leader. */
const agreedMs = 10_000;

class Player {
  private readonly outcomes: Outcome[] = [];
  /** The roles before the step, if it names them. */
  private roles: Roles | undefined;
  /** Ids of the leases granted so far, in order and in etcdctl's form. */
  private readonly leases: string[] = [];
  private background: { readonly line: string; readonly ctl: RunningCtl } | undefined;

  constructor(
    private readonly ctl: Ctl,
    private readonly cluster: EtcdCluster,
  ) {}

  async play(steps: readonly Step[]): Promise<Outcome[]> {
    try {
      for (const step of steps) await this.step(step);
      return this.outcomes;
    } finally {
      this.background?.ctl.kill();
    }
  }

  private async step(step: Step): Promise<void> {
    const [verb, argument = ""] = step.words;
    this.roles = /\{(?:leader|follower)/.test(step.line) ? await rolesIn(this.cluster) : undefined;
    if (verb === "stop" || verb === "start") await moveMember(this.cluster, verb, Number(argument) - 1);
    else if (verb === "&") this.background = { line: step.line, ctl: this.start(step) };
    else if (verb === "type") this.background?.ctl.type(argument);
    else if (verb === "until") await this.waitForOutput(argument);
    else if (verb === "end" || verb === "exit") await this.endBackground(verb);
    else this.record(step.line, await this.run(step));
  }

  /**
   * Waits for output.
   * @param awaited number of lines on standard output, or a text on standard error
   */
  private async waitForOutput(awaited: string): Promise<void> {
    const lines = Number(awaited);
    if (Number.isNaN(lines)) await this.background?.ctl.waitForWarning(awaited);
    else await this.background?.ctl.lines(lines);
  }

  private start(step: Step): RunningCtl {
    const { words, env } = this.fillNames(step);
    return this.ctl.start(words.slice(1), env);
  }

  private async endBackground(verb: "end" | "exit"): Promise<void> {
    if (this.background === undefined) return;
    const { line, ctl } = this.background;
    if (verb === "end") ctl.kill();
    this.background = undefined;
    this.record(line, await ctl.whenEnded());
  }

  private run(step: Step): Promise<Answer> {
    const { words, env, stdin } = this.fillNames(step);
    return this.ctl.run(words, { stdin, env });
  }

  private record(line: string, answer: Answer): void {
    const granted = / grant .*/.test(line) ? leaseIn(answer.stdout) : undefined;
    if (granted !== undefined) this.leases.push(granted);
    let { stdout, stderr } = answer;
    for (const [role, { id, endpoint }] of Object.entries(this.roles ?? {}) as [string, Roles["leader"]][]) {
      stdout = stdout.replaceAll(id, role);
      stderr = stderr.replaceAll(endpoint, `${role}_ep`);
    }
    this.outcomes.push({ line, ...maskAnswer({ ...answer, stdout, stderr }, this.cluster, this.leases) });
  }

  /** Replaces the names in braces, and adds the cluster's endpoints. */
  private fillNames({ words, env, stdin }: Step): Omit<Step, "line"> {
    const named = new Map(this.cluster.endpoints.map((endpoint, position) => [`{ep${position + 1}}`, endpoint]));
    for (const [position, lease] of this.leases.entries()) named.set(`{lease${position + 1}}`, lease);
    named.set("{dead}", deadEndpoint);
    for (const [role, { id, endpoint }] of Object.entries(this.roles ?? {}) as [string, Roles["leader"]][]) {
      named.set(`{${role}}`, id);
      named.set(`{${role}_ep}`, endpoint);
    }
    const fill = (text: string) => text.replaceAll(/\{\w+\}/g, (name) => named.get(name) ?? name);
    const own = words.includes("--endpoints") || "ETCDCTL_ENDPOINTS" in env;
    const endpoints = own ? {} : { ETCDCTL_ENDPOINTS: this.cluster.endpoints.join(",") };
    const filledEnv = Object.fromEntries(Object.entries(env).map(([name, value]) => [name, fill(value)]));
    const wholeEnv = { ...timeoutVariables(words), ...endpoints, ...filledEnv };
    return { words: words.map(fill).map(withTime), env: wholeEnv, stdin: fill(stdin) };
  }
}

/** Returns the id of a lease that was just granted, in any output format. */
function leaseIn(output: string): string | undefined {
  const [, hex, decimal] = /^lease ([\da-f]{16}) granted|"ID"(?: : |:)(\d+)/m.exec(output) ?? [];
  return decimal === undefined ? hex : BigInt(decimal).toString(16).padStart(16, "0");
}

/** Waits until all running members name the same leader. */
async function rolesIn(cluster: EtcdCluster): Promise<Roles> {
  const endpoints = cluster.members.filter(({ isRunning }) => isRunning).map(({ endpoint }) => endpoint);
  await using client = patientClient({ endpoints });
  return await eventually(agreedMs, "a leader that all agree on", async () => {
    const statuses = await Promise.all(endpoints.map((endpoint) => client.maintenance.status(endpoint)));
    const roles = statuses.map(({ header, leader }, position) => ({
      id: header.memberId.toString(16),
      endpoint: endpoints[position]!,
      leads: header.memberId === leader,
    }));
    const [leader, follower] = [roles.find(({ leads }) => leads), roles.find(({ leads }) => !leads)];
    const agree = statuses.every((status) => status.leader === statuses[0]?.leader);
    return agree && leader !== undefined && follower !== undefined ? { leader, follower } : undefined;
  });
}

async function moveMember(cluster: EtcdCluster, verb: "stop" | "start", position: number): Promise<void> {
  const member = cluster.member(position);
  if (verb === "stop") await member.stop();
  else member.launch();
  // No member is ready without a quorum. With one all soon are, perhaps after an election.
  const running = cluster.members.filter(({ isRunning }) => isRunning);
  if (running.length > cluster.members.length / 2) await Promise.all(running.map((each) => each.whenReady()));
}

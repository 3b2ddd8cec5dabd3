// Scripts of command lines: how they are written, and how they are played.

import { readFileSync } from "node:fs";
import { eventually } from "../../support/deadline.js";
import type { EtcdCluster } from "../../support/etcd-process.js";
import type { Answer, Ctl, RunningCtl } from "./ctl.js";
import { maskAnswer } from "./masks.js";
import { lengthen } from "../../support/machine-speed.js";
import { patientClient } from "../../support/patient-client.js";

export interface Step {
  /** As it stands in the script. */
  readonly line: string;
  readonly words: readonly string[];
  readonly stdin: string;
  readonly env: Readonly<Record<string, string>>;
}

/** The outcome of a step, in a form that can be compared between programs and between servers. */
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

/** Nobody listens there. */
const deadEndpoint = "127.0.0.1:1";

/** Time-outs of steps that are not about them: etcdctl's own are too short for a machine that runs much else. */
const patience = { "--command-timeout": "60s", "--dial-timeout": "60s" } as const;

/** Variables for the time-outs that a step leaves open. A flag and its variable together are an error. */
const timeoutVariables = (words: readonly string[]): Record<string, string> =>
  Object.fromEntries(
    Object.entries(patience)
      .filter(([flag]) => !words.some((word) => word.startsWith(flag)))
      .map(([flag, value]) => [`ETCDCTL_${flag.slice(2).replace("-", "_").toUpperCase()}`, value]),
  );

/** Time-outs of a script are those of a quiet machine. */
const withTime = (word: string): string =>
  word.replace(/^(--command-timeout=)(\d+)ms$/, (_, flag: string, ms: string) => `${flag}${lengthen(Number(ms))}ms`);

/** Runs a script, one step after the other, and masks what has to differ. */
export const play = (steps: readonly Step[], ctl: Ctl, cluster: EtcdCluster): Promise<Outcome[]> =>
  new Player(ctl, cluster).play(steps);

/** The leader of a cluster and a follower: ids as etcdctl writes them, and endpoints. */
interface Roles {
  readonly leader: { readonly id: string; readonly endpoint: string };
  readonly follower: { readonly id: string; readonly endpoint: string };
}

/** All running members may have to hear of a new leader first. */
const agreedMs = 10_000;

class Player {
  private readonly outcomes: Outcome[] = [];
  /** As they were before the step, if it is about them. */
  private roles: Roles | undefined;
  /** Ids of the leases granted so far, in order, as etcdctl writes them. */
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

  /** @param awaited number of lines on standard output, or a text on standard error */
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

  /** With names in braces replaced, and told where the cluster is. */
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

/** The id of a lease that was just granted, whatever the format. */
function leaseIn(output: string): string | undefined {
  const [, hex, decimal] = /^lease ([\da-f]{16}) granted|"ID"(?: : |:)(\d+)/m.exec(output) ?? [];
  return decimal === undefined ? hex : BigInt(decimal).toString(16).padStart(16, "0");
}

/** Waits until all that run agree. */
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
  // Without a quorum no member is ready. With one, all soon are: those that stay may have to elect another leader.
  const running = cluster.members.filter(({ isRunning }) => isRunning);
  if (running.length > cluster.members.length / 2) await Promise.all(running.map((each) => each.ready()));
}

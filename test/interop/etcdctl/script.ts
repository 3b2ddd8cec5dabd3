// Scripts of command lines: how they are written, and how they are played.

import { readFileSync } from "node:fs";
import type { EtcdCluster } from "../../support/etcd-process.js";
import type { Answer, Ctl } from "./ctl.js";
import { maskAnswer } from "./masks.js";

export interface Step {
  /** As it stands in the script. */
  readonly line: string;
  readonly words: readonly string[];
  readonly stdin: string;
  readonly env: Readonly<Record<string, string>>;
}

/** What a step led to, in a form that can be compared between programs and between servers. */
export interface Outcome extends Answer {
  readonly line: string;
}

/** Reads a script: see the head of one-member.txt for the form. */
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

/** Runs a script, one step after the other, and masks what has to differ. */
export async function play(steps: readonly Step[], ctl: Ctl, cluster: EtcdCluster): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  for (const step of steps) {
    const [verb, number] = step.words;
    if (verb === "stop" || verb === "start") await moveMember(cluster, verb, Number(number) - 1);
    else outcomes.push({ line: step.line, ...maskAnswer(await run(step, ctl, cluster), cluster) });
  }
  return outcomes;
}

async function moveMember(cluster: EtcdCluster, verb: "stop" | "start", position: number): Promise<void> {
  const member = cluster.member(position);
  if (verb === "stop") return member.stop();
  member.launch();
  // Without a quorum a member cannot be ready; with one, it soon is.
  if (cluster.members.filter(({ isRunning }) => isRunning).length > cluster.members.length / 2) await member.ready();
}

function run(step: Step, ctl: Ctl, cluster: EtcdCluster): Promise<Answer> {
  const named = new Map(cluster.endpoints.map((endpoint, position) => [`{ep${position + 1}}`, endpoint]));
  named.set("{dead}", deadEndpoint);
  const filled = (text: string) => text.replaceAll(/\{\w+\}/g, (name) => named.get(name) ?? name);
  const env = Object.fromEntries(Object.entries(step.env).map(([name, value]) => [name, filled(value)]));
  const words = step.words.map(filled);
  const own = words.includes("--endpoints") || "ETCDCTL_ENDPOINTS" in env;
  const endpoints = own ? {} : { ETCDCTL_ENDPOINTS: cluster.endpoints.join(",") };
  return ctl(words, { stdin: step.stdin, env: { ...endpoints, ...env } });
}

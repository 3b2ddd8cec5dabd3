import type { Logger } from "./base/index.js";
import { defaultFlags, flagGroups, type ServerFlags } from "./config/index.js";

/** Options of a member within a program. The defaults are etcd's; errors about values name the flags of `minietcd`. */
export interface StartMemberOptions {
  /** The member's name in its cluster (`--name`). Default: `default`. */
  readonly name?: string | undefined;
  /** The data directory, used by this member only (`--data-dir`). Default: `<name>.etcd`. */
  readonly dataDir?: string | undefined;
  /** The URLs for clients, separated by commas (`--listen-client-urls`, `--advertise-client-urls`). Default: `http://localhost:2379`. */
  readonly clientUrls?: string | undefined;
  /** The URLs for the peers, separated by commas (`--listen-peer-urls`, `--initial-advertise-peer-urls`). Default: `http://localhost:2380`. */
  readonly peerUrls?: string | undefined;
  /** Names and peer URLs of all members of the cluster, including this one (`--initial-cluster`). Default: this member only. */
  readonly members?: Readonly<Record<string, string>> | undefined;
  /** Receives the log lines. Default: lines of JSON on standard error, from level `warn` on or that of `flags`. */
  readonly logger?: Logger | undefined;
  /**
   * Further flags of `minietcd`, with values as on the command line: `{ autoCompactionRetention: "1" }`. The table: docs/flags.md.
   * The warm-up is off unless `{ warmUp: "true" }`.
   */
  readonly flags?: Partial<ServerFlags> | undefined;
  /** Aborts the start: the member is stopped, and the start rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** The flags that each option sets. */
const flagsOfOption = {
  name: ["name"],
  dataDir: ["dataDir"],
  clientUrls: ["listenClientUrls", "advertiseClientUrls"],
  peerUrls: ["listenPeerUrls", "initialAdvertisePeerUrls"],
  members: ["initialCluster"],
} as const satisfies Partial<Record<keyof StartMemberOptions, readonly (keyof ServerFlags)[]>>;

const otherOptions = ["logger", "flags", "signal"] satisfies (keyof StartMemberOptions)[] as readonly string[];

/**
 * Returns the flags of a member with these options.
 *
 * @throws TypeError for unknown options and flags, for values of another type, and for a flag that an option sets, too: without
 * a compiler, such a mistake would be found much later
 */
export const flagsOf = (options: StartMemberOptions): ServerFlags => {
  if (!isRecord(options)) refuse(`expected an object of options, not ${valueText(options)}`);
  const { flags = {} } = options;
  if (!isRecord(flags)) refuse(`flags is ${valueText(flags)}, expected an object such as { maxTxnOps: "256" }`);
  const set: Partial<Record<keyof ServerFlags, string>> = {};
  for (const [name, value] of Object.entries(flags)) {
    if (!isFlag(name)) refuse(unknownFlagText(name));
    if (typeof value === "string") set[name] = value;
    else if (value !== undefined)
      refuse(`flags.${name} is ${valueText(value)}, expected a text as on the command line`);
  }
  for (const [name, value] of Object.entries(options)) {
    if (otherOptions.includes(name) || value === undefined) continue;
    if (!isFlagOption(name)) refuse(`there is no option "${name}"`);
    const text = name === "members" ? initialClusterOf(value) : textOf(name, value);
    for (const flag of flagsOfOption[name]) {
      if (set[flag] !== undefined) refuse(`leave out the option ${name}, or the flag ${flag}`);
      set[flag] = text;
    }
  }
  return { ...defaultFlags, ...set };
};

const refuse: (reason: string) => never = (reason) => {
  throw new TypeError(`Cannot start a member: ${reason}`);
};

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const isFlagOption = (name: string): name is keyof typeof flagsOfOption => Object.hasOwn(flagsOfOption, name);

const textOf = (name: string, value: unknown): string => {
  if (typeof value !== "string" || value === "") refuse(`${name} is ${valueText(value)}, expected a text`);
  return value;
};

const initialClusterOf = (members: unknown): string => {
  const expected = 'expected an object such as { m1: "http://10.0.0.1:2380" }';
  if (!isRecord(members)) refuse(`members is ${valueText(members)}, ${expected}`);
  const entries = Object.entries(members);
  if (entries.length === 0) refuse(`members is empty, ${expected}`);
  return entries.map(([member, url]) => `${member}=${textOf(`members.${member}`, url)}`).join(",");
};

const isFlag = (name: string): name is keyof ServerFlags => Object.hasOwn(defaultFlags, name);

const unknownFlagText = (name: string): string => {
  const camelCase = name.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());
  if (isFlag(camelCase)) return `there is no flag "${name}"; it is ${camelCase} here`;
  const dashed = camelCase.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  const effect = flagGroups.flatMap(({ flags }) => flags).find((flag) => flag.name === dashed)?.effect;
  if (effect === undefined || effect.kind === "works") return `there is no flag "${name}"`;
  return effect.kind === "same-as"
    ? `the flag ${name} is an old name of ${effect.flag}`
    : `the flag ${name} has no effect: ${effect.why}`;
};

const valueText = (value: unknown): string => (value === undefined ? "undefined" : JSON.stringify(value));

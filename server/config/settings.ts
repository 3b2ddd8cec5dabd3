// Combines the settings of command line, variables or a file by the table: which flags have an effect, which give a warning,
// and which are refused.

import { defaultFlags, FlagError, type ServerFlags } from "./config.js";
import { StartError } from "../base/index.js";
import type { Flag } from "./flag.js";
import { findFlag } from "./flag-table.js";
import { FlagValueError, parseFlagValue, type FlagValue } from "./flag-values.js";

/** A given value, with its source. */
export interface GivenFlag {
  readonly flag: Flag;
  readonly text: string;
  readonly source: FlagSource;
}

/** The place of a given value: command line, environment or configuration file. */
export type FlagSource =
  | { readonly kind: "command line" }
  | { readonly kind: "variable"; readonly variable: string }
  | { readonly kind: "file"; readonly path: string; readonly key: string };

/** The values of all flags, checked, with the warnings about them. */
export interface Settings {
  readonly flags: ServerFlags;
  /** A line for each flag without effect, or given by an old name. */
  readonly warnings: readonly string[];
}

/** The flag that names the configuration file. */
export const configFileFlag = "config-file";

/**
 * Checks all given values; of a flag that is repeated in one source, the last value is used.
 *
 * @throws FlagError for a malformed value on the command line; StartError for one in a variable or a file, for refused flags,
 * and for an old and a new name of one flag together
 */
export const settingsFrom = (given: readonly GivenFlag[]): Settings => {
  given.forEach(readValue);
  const last = new Map<string, GivenFlag>();
  for (const each of given) {
    if (each.flag.name === configFileFlag) continue;
    last.delete(each.flag.name); // reinserted, so that the order is that of the used values
    last.set(each.flag.name, each);
  }
  const flags: Record<string, string> = {};
  const warnings: string[] = [];
  for (const each of last.values()) {
    refuseTwoNames(each, last);
    checkValue(each);
    if (each.flag.effect.kind === "same-as")
      warnings.push(`${labelOf(each)} is an old name, use --${each.flag.effect.flag}`);
    const flag = meaningOf(each.flag);
    if (flag.effect.kind === "works") {
      flags[propertyOf(flag.name)] = each.text;
      const warning = flag.warning?.(each.text);
      if (warning !== undefined) warnings.push(`${labelOf(each)}: ${warning}`);
    }
    if (flag.effect.kind !== "works" && !isHarmless(flag, readValue(each))) warnings.push(...checkEffect(each, flag));
  }
  return { flags: { ...defaultFlags, ...flags }, warnings };
};

/** Returns the flag, or, for an old name, the flag with the new name. */
export const meaningOf = (flag: Flag): Flag =>
  flag.effect.kind === "same-as" ? (findFlag(flag.effect.flag) ?? flag) : flag;

/** Returns the property of ServerFlags: `maxTxnOps` for `max-txn-ops`. */
export const propertyOf = (flag: string): string => flag.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());

/** Formats a flag as in its source: on the command line, as a variable, or in the file. */
const labelOf = ({ flag, source }: GivenFlag): string => {
  switch (source.kind) {
    case "command line":
      return `--${flag.name}`;
    case "variable":
      return source.variable;
    case "file":
      return `${source.key} in ${source.path}`;
  }
};

const checkValue = ({ flag, text, source }: GivenFlag): void => {
  if (flag.isCommandLineOnly && source.kind === "file") return;
  const problem = meaningOf(flag).check?.(text);
  if (problem !== undefined) throw new StartError(problem);
};

/** Parses the value of a flag. @throws FlagError, StartError if it is malformed */
export const readValue = ({ flag, text, source }: GivenFlag): FlagValue => {
  try {
    return parseFlagValue(flag.kind, text);
  } catch (error) {
    if (!(error instanceof FlagValueError)) throw error;
    const isBoolean = flag.kind === "bool";
    if (source.kind === "variable")
      throw new StartError(`invalid value "${text}" for ${source.variable}: ${error.message}`);
    if (source.kind === "file") throw new StartError(`invalid value "${text}" for ${source.key}: ${error.message}`);
    throw isBoolean
      ? new FlagError(`invalid boolean value "${text}" for -${flag.name}: ${error.message}`)
      : new FlagError(`invalid value "${text}" for flag -${flag.name}: ${error.message}`);
  }
};

/** Whether the value describes the member's behaviour. */
const isHarmless = ({ kind, fallback, harmless = [] }: Flag, value: FlagValue): boolean =>
  kind !== "any" &&
  [fallback, ...harmless].some((text) => JSON.stringify(parseFlagValue(kind, text)) === JSON.stringify(value));

/** @returns the warning about a flag without effect */
const checkEffect = (given: GivenFlag, { effect }: Flag): string[] => {
  if (effect.kind === "no-effect") return [`${labelOf(given)} has no effect: ${effect.why}`];
  if (effect.kind !== "refused") return [];
  const { flag, source } = given;
  if (source.kind === "command line" && flag.until !== undefined)
    throw new FlagError(
      `flag provided but not defined: -${flag.name}\nIt was a flag of etcd up to ${flag.until}: ${effect.why}`,
    );
  throw new StartError(`${labelOf(given)} cannot be used: ${effect.why}`);
};

const refuseTwoNames = (given: GivenFlag, all: ReadonlyMap<string, GivenFlag>): void => {
  if (given.flag.effect.kind !== "same-as") return;
  const other = all.get(given.flag.effect.flag);
  if (other !== undefined)
    throw new StartError(`cannot specify both flags: ${labelOf(given)} is an old name of ${labelOf(other)}`);
};

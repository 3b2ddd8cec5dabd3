// Parses the command line of a member by the rules of Go's `flag` package.

import { FlagError } from "./config.js";
import type { GivenFlag } from "./settings.js";
import { findFlag } from "./flag-table.js";
import { nearestFlag } from "./nearest-flag.js";

/** A parsed command line. */
export type CommandLine =
  | { readonly kind: "help" | "version" }
  /** A word that is neither a flag nor a value; it ends the flags. */
  | { readonly kind: "word"; readonly word: string }
  | { readonly kind: "flags"; readonly given: readonly GivenFlag[] };

/**
 * Parses flags with one dash or two. Switches have a value only behind "=", all others also in the next word.
 *
 * @throws FlagError with Go's text
 */
export const readCommandLine = (args: readonly string[]): CommandLine => {
  const given: GivenFlag[] = [];
  let askedForVersion = false;
  const rest = [...args];
  for (let word = rest.shift(); word !== undefined; word = rest.shift()) {
    const [, name, value] = /^--?([^=]*)(?:=(.*))?$/s.exec(word) ?? [];
    if (name === undefined || word === "-") return { kind: "word", word };
    if (word === "--") {
      if (rest[0] !== undefined) return { kind: "word", word: rest[0] };
      break;
    }
    if (name === "" || name.startsWith("-")) throw new FlagError(`bad flag syntax: ${word}`);
    if (name === "help" || name === "h") return { kind: "help" };
    if (name === "version") askedForVersion = value === undefined || value === "true";
    else given.push(readFlag(name, value, rest));
  }
  return askedForVersion ? { kind: "version" } : { kind: "flags", given };
};

const readFlag = (name: string, value: string | undefined, rest: string[]): GivenFlag => {
  const flag = findFlag(name);
  if (flag === undefined) throw new FlagError(["flag provided but not defined: -" + name, ...suggest(name)].join("\n"));
  const isSwitch = flag.kind === "bool" || flag.kind === "any";
  const text = value ?? (isSwitch ? "true" : rest.shift());
  if (text === undefined) throw new FlagError(`flag needs an argument: -${name}`);
  return { flag, text, source: { kind: "command line" } };
};

const suggest = (name: string): string[] => {
  const nearest = nearestFlag(name);
  return nearest === undefined ? [] : [`Did you mean --${nearest}?`];
};

// Flags as etcdctl has them: declared as commander options, written on the command line as Go's pflag reads them.
import { Option, type Command } from "commander";
import { exitCodes, Failure } from "./failure.js";
import { formatDuration, parseBool, parseCounter, parseDurationMs, quote, ValueError } from "./go-values.js";

const parsed = <Value>(flags: string, description: string, parse: (text: string) => Value, fallback: Value) => {
  // Help shows a default where it says something.
  const shown = fallback === "" || fallback === 0 || fallback === false ? undefined : shownDefault(fallback);
  const option = new Option(flags, description).default(fallback, shown);
  return option.argParser((text: string) => {
    try {
      return parse(text);
    } catch (error) {
      if (!(error instanceof ValueError)) throw error;
      const name = option.short === undefined ? `--${option.name()}` : `${option.short}, --${option.name()}`;
      throw new Failure(exitCodes.error, `invalid argument ${quote(text)} for ${quote(name)} flag: ${error.message}`);
    }
  });
};

const shownDefault = (value: unknown) => (typeof value === "number" ? formatDuration(value) : String(value));

/** `--name`, `--name=false`. (For commander its value is optional; only after "=" is one read.) */
export const booleanFlag = (name: string, description: string, fallback = false): Option =>
  parsed(`${name} [bool]`, description, parseBool, fallback).preset("true");

export const textFlag = (flags: string, description: string, fallback = ""): Option =>
  parsed(flags, description, (text) => text, fallback);

/** A revision or a number of keys. */
export const counterFlag = (flags: string, description: string): Option =>
  parsed(flags, description, (text) => parseCounter(text, 0), 0);

/** In milliseconds. */
export const durationFlag = (flags: string, description: string, fallbackMs: number): Option =>
  parsed(flags, description, parseDurationMs, fallbackMs);

/** Comma-separated; given again, it adds. */
export const listFlag = (flags: string, description: string, fallback: readonly string[]): Option => {
  const option = new Option(flags, description).default(fallback, fallback.join(","));
  const split = (text: string) => (text === "" ? [] : text.split(","));
  return option.argParser((text, previous: readonly string[]) =>
    previous === fallback ? split(text) : [...previous, ...split(text)],
  );
};

const isBoolean = (option: Option) => option.optional;

/** What pflag makes of a command line: the flags, each as `--name=value`, and the arguments. */
export interface Arguments {
  readonly flags: readonly { readonly option: Option; readonly value: string }[];
  readonly positional: readonly string[];
}

/**
 * Splits a command line as pflag does: flags and arguments in any order, `--` ends the flags, booleans take a value only
 * after "=", short flags can be joined.
 *
 * @param hint the line to print after an error
 * @throws Failure on a flag that is not among `options`, or one without its value
 */
export function splitArguments(options: readonly Option[], words: readonly string[], hint?: string): Arguments {
  const flags: { option: Option; value: string }[] = [];
  const positional: string[] = [];
  const rest = [...words];
  const valueAfter = (what: string): string => {
    const value = rest.shift();
    if (value === undefined) throw new Failure(exitCodes.error, `flag needs an argument: ${what}`, hint);
    return value;
  };
  const long = (word: string) => {
    const [, name = "", given] = /^--([^=]*)(?:=(.*))?$/s.exec(word) ?? [];
    const option = options.find((each) => each.long === `--${name}`);
    if (option === undefined) throw new Failure(exitCodes.error, `unknown flag: --${name}`, hint);
    const value = given ?? (isBoolean(option) ? "true" : valueAfter(`--${name}`));
    flags.push({ option, value });
  };
  const short = (word: string) => {
    for (let at = 1; at < word.length; at++) {
      const letter = word.charAt(at);
      const option = options.find((each) => each.short === `-${letter}`);
      if (option === undefined)
        throw new Failure(exitCodes.error, `unknown shorthand flag: '${letter}' in -${word.slice(at)}`, hint);
      const tail = word.slice(at + 1);
      if (isBoolean(option) && !tail.startsWith("=")) {
        flags.push({ option, value: "true" });
        continue;
      }
      const value = tail === "" ? valueAfter(`'${letter}' in -${word.slice(at)}`) : tail.replace(/^=/, "");
      flags.push({ option, value });
      return;
    }
  };
  for (let word = rest.shift(); word !== undefined; word = rest.shift()) {
    if (word === "--") return { flags, positional: [...positional, ...rest] };
    if (word.startsWith("--")) long(word);
    else if (word.startsWith("-") && word !== "-") short(word);
    else positional.push(word);
  }
  return { flags, positional };
}

/** Writes flags so that commander reads what pflag would. */
export const forCommander = ({ flags }: Pick<Arguments, "flags">): string[] =>
  flags.map(({ option, value }) => `--${option.name()}=${value}`);

/**
 * Gives flags to a command that is not run itself: a step of a transaction.
 *
 * @returns the arguments
 */
export function parseAlone(command: Command, words: readonly string[]): readonly string[] {
  const split = splitArguments(command.options, words);
  command.parseOptions(forCommander(split));
  return split.positional;
}

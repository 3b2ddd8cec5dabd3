// Flags as in etcdctl: declared as commander options, parsed by the rules of Go's pflag.
import { Option, type Command } from "commander";
import { exitCodes, Failure } from "./failure.js";
import { formatDuration, parseBool, parseCounter, parseDurationMs, quote, ValueError } from "./go-values.js";

const makeFlag = <Value>(
  flags: string,
  description: string,
  parse: (text: string) => Value,
  fallback: Value,
  show: (value: Value) => string = String,
) => {
  // help shows a default only if it is not the type's zero value
  const shown = fallback === "" || fallback === 0 || fallback === false ? undefined : show(fallback);
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

/** A boolean flag: `--name`, `--name=false`. (For commander the value is optional; it is read only after "=".) */
export function booleanFlag(name: string, description: string, fallback = false): Option {
  const option = makeFlag(`${name} [bool]`, description, parseBool, fallback).preset("true");
  option.negate = false; // pflag has no negations: `--no-dest-prefix` and `--dest-prefix` are two flags
  return option;
}

/**
 * Makes a flag with a text as its value.
 *
 * @param flags with the value's name in angle brackets only: square ones make it optional
 */
export const textFlag = (flags: string, description: string, fallback = ""): Option =>
  makeFlag(flags, description, (text) => text, fallback);

/** A flag whose value is a revision or a count. */
export const counterFlag = (flags: string, description: string, fallback = 0): Option =>
  makeFlag(flags, description, (text) => parseCounter(text, 0), fallback);

/** A flag whose value is a duration; parsed to milliseconds. */
export const durationFlag = (flags: string, description: string, fallbackMs: number): Option =>
  makeFlag(flags, description, parseDurationMs, fallbackMs, formatDuration);

/** A flag whose value is a comma-separated list; repeated flags add to the list. */
export const listFlag = (flags: string, description: string, fallback: readonly string[]): Option => {
  const option = new Option(flags, description).default(fallback, fallback.join(","));
  const split = (text: string) => (text === "" ? [] : text.split(","));
  return option.argParser((text, previous: readonly string[]) =>
    previous === fallback ? split(text) : [...previous, ...split(text)],
  );
};

/**
 * Refuses words with lost bytes. Node decodes arguments and variables as UTF-8 and replaces invalid bytes by U+FFFD: the original
 * bytes cannot be restored, and a key with U+FFFD is another key.
 *
 * @throws Failure if a word contains U+FFFD
 */
export function refuseLostBytes(words: readonly string[]): void {
  if (!words.some((word) => word.includes("\ufffd"))) return;
  const otherwise = "give other bytes to put, txn or watch -i through standard input";
  throw new Failure(exitCodes.badArguments, `arguments must be UTF-8, and without U+FFFD: ${otherwise}`);
}

const isBoolean = (option: Option) => option.optional;

/** A command line as pflag splits it. */
export interface Arguments {
  readonly flags: readonly GivenFlag[];
  readonly positional: readonly string[];
  /** The words after `--`; absent without it. */
  readonly afterDashes?: readonly string[];
}
/** A flag with the text of its value. */
export interface GivenFlag {
  readonly option: Option;
  readonly value: string;
}

/**
 * Splits a command line as pflag does: flags and arguments in any order, `--` ends the flags, booleans take a value only
 * after "=", short flags can be joined.
 *
 * @param hint the line to print after an error
 * @throws Failure on a flag that is not among `options`, or on a flag without its value
 */
export function splitArguments(options: readonly Option[], words: readonly string[], hint?: string): Arguments {
  const flags: GivenFlag[] = [];
  const positional: string[] = [];
  const line: CommandLine = { options, rest: [...words], hint };
  for (let word = line.rest.shift(); word !== undefined; word = line.rest.shift()) {
    if (word === "--") return { flags, positional, afterDashes: line.rest };
    if (word.startsWith("--")) flags.push(longFlag(line, word));
    else if (word.startsWith("-") && word !== "-") flags.push(...shortFlags(line, word));
    else positional.push(word);
  }
  return { flags, positional };
}

/** A command line that is being parsed. */
interface CommandLine {
  readonly options: readonly Option[];
  /** The words that are not parsed yet. */
  readonly rest: string[];
  readonly hint: string | undefined;
}

const refuse = ({ hint }: CommandLine, reason: string) => new Failure(exitCodes.error, reason, hint);

/** Takes the next word as the value of a flag: `--name value`. */
function nextWord(line: CommandLine, flag: string): string {
  const word = line.rest.shift();
  if (word === undefined) throw refuse(line, `flag needs an argument: ${flag}`);
  return word;
}

/** `--name`, `--name=value` or `--name value`. */
function longFlag(line: CommandLine, word: string): GivenFlag {
  if (/^--[-=]/.test(word)) throw refuse(line, `bad flag syntax: ${word}`);
  const [, name = "", given] = /^--([^=]*)(?:=(.*))?$/s.exec(word) ?? [];
  const option = line.options.find((each) => each.long === `--${name}`);
  if (option === undefined) throw refuse(line, `unknown flag: --${name}`);
  return { option, value: given ?? (isBoolean(option) ? "true" : nextWord(line, `--${name}`)) };
}

/** `-ab`: two booleans; `-wvalue`, `-w=value`, `-w value`: one flag, which may follow booleans. */
function shortFlags(line: CommandLine, word: string): GivenFlag[] {
  const flags: GivenFlag[] = [];
  for (let at = 1; at < word.length; at++) {
    const what = `'${word.charAt(at)}' in -${word.slice(at)}`;
    const option = line.options.find((each) => each.short === `-${word.charAt(at)}`);
    if (option === undefined) throw refuse(line, `unknown shorthand flag: ${what}`);
    const tail = word.slice(at + 1);
    if (!isBoolean(option) || tail.startsWith("="))
      return [...flags, { option, value: tail === "" ? nextWord(line, what) : tail.replace(/^=/, "") }];
    flags.push({ option, value: "true" });
  }
  return flags;
}

/** Writes parsed flags in a form that commander parses to the same values. */
export const forCommander = ({ flags }: Pick<Arguments, "flags">): string[] =>
  flags.map(({ option, value }) => `--${option.name()}=${value}`);

/** Returns all arguments, for a command that does not distinguish the arguments after `--`. */
export const allArguments = ({ positional, afterDashes = [] }: Arguments): readonly string[] => [
  ...positional,
  ...afterDashes,
];

/** Parses words as flags and arguments of a command that is not run: a step of a transaction, a line of `watch -i`. */
export function parseAlone(command: Command, words: readonly string[]): Arguments {
  const split = splitArguments(command.options, words);
  command.parseOptions(forCommander(split));
  return split;
}

// The language of `minietcdctl txn`: conditions such as `mod("key") > "5"`, and steps such as `put key "a value"`.
import type { Command } from "commander";
import type { Compare, TxnOp } from "../../../client/index.js";
import { delCommand, delRequest, type DelFlags } from "./del.js";
import {
  allArguments,
  bytesOf,
  exitCodes,
  Failure,
  parseAlone,
  parseCounter,
  parseInt64,
  quote,
  quoted,
  decodeLine,
  splitWords,
  unquote,
  ValueError,
} from "../args/index.js";
import { getCommand, getRequest, type GetFlags } from "./get.js";
import { putCommand, putRequest, type PutFlags } from "./put.js";

const invalid = (message: string, hint?: string) => new Failure(exitCodes.invalidInput, message, hint);

const targets = {
  ver: "version",
  version: "version",
  c: "createRevision",
  create: "createRevision",
  m: "modRevision",
  mod: "modRevision",
  val: "value",
  value: "value",
  lease: "lease",
} as const;

const operators = ["=", "!=", "<", ">"] as const;

/** Pattern of a literal that Go's `%q` scans. */
const literal = `${quoted}|\`[^\`]*\``;

const comparison = new RegExp(String.raw`^[ \t]*(${literal})(?:\)[ \t]+([^ \t]+)(?:[ \t]+(${literal}))?)?`, "s");

interface Scanned {
  readonly key?: string | undefined;
  readonly operator?: string | undefined;
  readonly operand?: string | undefined;
}

/** Scans like Go's `fmt.Sscanf(text, "%q) %s %q")`: returns the parts up to the first that does not match. */
function scan(text: string): Scanned {
  const [, first, operator, third] = comparison.exec(text) ?? [];
  const key = tryUnquote(first);
  return key === undefined ? {} : { key, operator, operand: tryUnquote(third) };
}

/** Returns the value of a literal; undefined if the text is not a literal, or has an unknown escape. */
function tryUnquote(text: string | undefined): string | undefined {
  if (text === undefined || text.startsWith("`")) return text?.slice(1, -1);
  try {
    return unquote(text);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    return undefined;
  }
}

/**
 * Reads `target("key") OP "value"`.
 *
 * @throws Failure if the line is not a condition
 */
export function parseCompare(line: string): Compare {
  const open = line.indexOf("(");
  if (open < 0) throw invalid(`malformed comparison: ${decodeLine(line)}`);
  const name = line.slice(0, open);
  const { key, operator = "", operand } = scan(line.slice(open + 1));
  if (key === undefined || operand === undefined) {
    const got = `${name}(${quote(decodeLine(key ?? ""))}) ${operator} ""`;
    throw invalid(`malformed comparison: ${decodeLine(line)}; got ${got}`);
  }
  if (!Object.hasOwn(targets, name))
    throw invalid(`malformed comparison: ${decodeLine(line)} (unknown target ${name})`);
  const is = operators.find((each) => each === operator);
  if (is === undefined) throw invalid(`malformed comparison: ${decodeLine(line)} (unknown operator ${operator})`);
  const common = { key: bytesOf(key), is };
  const target = targets[name as keyof typeof targets];
  try {
    if (target === "value") return { ...common, target, than: bytesOf(operand) };
    if (target === "lease") return { ...common, target, than: parseInt64(operand, 16) };
    return { ...common, target, than: parseCounter(operand, 10) };
  } catch (error) {
    if (!(error instanceof ValueError)) throw error;
    throw invalid(`invalid txn compare request: ${decodeLine(line)}`);
  }
}

/**
 * Reads an operation: get, put or del with its flags.
 *
 * @throws Failure if the line is not an operation
 */
export function parseOp(line: string): TxnOp {
  const [name = "", ...words] = splitWords(line);
  if (words.length === 0) throw invalid(`invalid txn compare request: ${decodeLine(line)}`);
  switch (name) {
    case "get": {
      const command = getCommand();
      const args = parseFlags(command, words, line);
      const { key, settings } = getRequest(command.opts<GetFlags>(), args);
      return { op: "get", ...settings, ...keysOf(key, settings) };
    }
    case "put": {
      const command = putCommand();
      const args = parseFlags(command, words, line);
      const { key, value, settings } = putRequest(command.opts<PutFlags>(), args);
      return { op: "put", ...settings, key: bytesOf(key), value: typeof value === "string" ? bytesOf(value) : value };
    }
    case "del": {
      const command = delCommand();
      const args = parseFlags(command, words, line);
      const { key, settings } = delRequest(command.opts<DelFlags>(), args);
      return { op: "delete", ...settings, ...keysOf(key, settings) };
    }
    default:
      throw invalid(`invalid txn request: ${decodeLine(line)}`);
  }
}

const keysOf = (key: string, { rangeEnd }: { readonly rangeEnd?: unknown }) => ({
  key: bytesOf(key),
  rangeEnd: typeof rangeEnd === "string" ? bytesOf(rangeEnd) : undefined,
});

function parseFlags(command: Command, words: readonly string[], line: string): readonly string[] {
  try {
    return allArguments(parseAlone(command, words));
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    throw invalid(`invalid txn request: ${decodeLine(line)}`, `Reason: ${error.message}`);
  }
}

// Arguments that select keys: `KEY [RANGE_END]`, `--prefix`, `--from-key`.
import type { Option } from "commander";
import { exitCodes, Failure } from "./failure.js";
import { textFlag } from "./flags.js";
import { quote } from "./go-values.js";

/** Flags that select more than one key. */
export interface KeyFlags {
  readonly prefix: boolean;
  readonly fromKey: boolean;
}

/** Help texts of these flags. */
export const keyHelp = {
  prefix: "all keys that begin with <key>",
  fromKey: "all keys from <key> on, in byte order",
};

/** Declares `--consistency`. */
export const consistencyFlag = (): Option =>
  textFlag("--consistency <which>", "l: linearizable; s: serializable, from one member's local state", "l");

/** Checks the flags that select keys. @throws Failure if they contradict each other */
export function checkKeyFlags({ prefix, fromKey }: KeyFlags): void {
  if (prefix && fromKey)
    throw new Failure(exitCodes.badArguments, "`--prefix` and `--from-key` cannot be set at the same time, choose one");
}

/**
 * Whether `--consistency` asks for a serializable read.
 *
 * @throws Failure if it is neither `l` nor `s`
 */
export function isSerializable(consistency: string): boolean {
  if (consistency !== "l" && consistency !== "s")
    throw new Failure(exitCodes.badFeature, `unknown consistency flag ${quote(consistency)}`);
  return consistency === "s";
}

/** Returns the flags of an interval. @throws Failure if there is an end argument although the flags determine the end */
export function intervalFlags(rangeEnd: string | undefined, { prefix, fromKey }: KeyFlags) {
  if (rangeEnd !== undefined && (prefix || fromKey))
    throw new Failure(
      exitCodes.badArguments,
      "too many arguments, only accept one argument when `--prefix` or `--from-key` is set",
    );
  return { rangeEnd, prefix, fromKey };
}

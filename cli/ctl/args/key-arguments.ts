// Arguments that select keys: `KEY [RANGE_END]`, `--prefix`, `--from-key`.
import { exitCodes, Failure } from "./failure.js";

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

/** @throws Failure if the flags contradict each other */
export function checkKeyFlags({ prefix, fromKey }: KeyFlags): void {
  if (prefix && fromKey)
    throw new Failure(exitCodes.badArguments, "`--prefix` and `--from-key` cannot be set at the same time, choose one");
}

/** @throws Failure if there is an end although the flags say where it is */
export function intervalFlags(rangeEnd: string | undefined, { prefix, fromKey }: KeyFlags) {
  if (rangeEnd !== undefined && (prefix || fromKey))
    throw new Failure(
      exitCodes.badArguments,
      "too many arguments, only accept one argument when `--prefix` or `--from-key` is set",
    );
  return { rangeEnd, prefix, fromKey };
}

// minietcdctl put
import { Command } from "commander";
import type { Bytes, PutSettings } from "../../../client/index.js";
import { booleanFlag, exitCodes, Failure, type Io, parseInt64, readAll, textFlag, ValueError } from "../args/index.js";
import { withSession } from "./session.js";

/** Flags of `put`. */
export interface PutFlags {
  readonly lease: string;
  readonly prevKv: boolean;
  readonly ignoreValue: boolean;
  readonly ignoreLease: boolean;
}

const examples = `
A value that begins with "-" goes after "--". Without a value, the value is read from standard input.

Examples:
  $ minietcdctl put greeting hello
  $ minietcdctl put -- offset -5
  $ minietcdctl put config < config.yaml`;

/** Declares `put`, with its help. */
export const putCommand = (): Command =>
  new Command("put")
    .description("Puts a value under a key")
    .usage("[options] <key> [value]")
    .addOption(textFlag("--lease <id>", "lease to attach the key to, in hex; 0: none", "0"))
    .addOption(booleanFlag("--prev-kv", "print the previous key and value"))
    .addOption(booleanFlag("--ignore-value", "keep the current value of the key"))
    .addOption(booleanFlag("--ignore-lease", "keep the current lease of the key"))
    .addHelpText("after", examples);

/** Writes a key; its value comes from standard input if it is not an argument. */
export async function runPut(command: Command, io: Io): Promise<void> {
  const flags = command.opts<PutFlags>();
  const fromInput = command.args.length === 1 && !flags.ignoreValue ? await readAll(io.stdin) : undefined;
  const { key, value, settings } = putRequest(flags, command.args, fromInput);
  await withSession(command, io, async ({ client, printer, limits }) => {
    printer.put(await client.kv.put(key, value, { ...settings, ...limits }));
  });
}

/**
 * Makes the request of a put from its flags and arguments.
 *
 * @param fromInput the value, if it is not among the arguments
 * @throws Failure if flags or arguments are invalid
 */
export function putRequest(
  flags: PutFlags,
  [key, value]: readonly string[],
  fromInput?: Uint8Array,
): { key: string; value: Bytes; settings: PutSettings } {
  if (key !== undefined && value !== undefined && flags.ignoreValue)
    throw new Failure(exitCodes.badArguments, "put command needs only 1 argument when 'ignore-value' is set");
  const given = flags.ignoreValue ? "" : (value ?? fromInput);
  // etcdctl, too, takes an empty input for no value, and ignores arguments after the value.
  const missing = key === undefined || given === undefined || (given === fromInput && given.length === 0);
  if (missing)
    throw new Failure(exitCodes.badArguments, "put command needs 1 argument and input from stdin or 2 arguments");
  const { prevKv, ignoreValue, ignoreLease } = flags;
  return { key, value: given, settings: { lease: leaseOf(flags.lease), prevKv, ignoreValue, ignoreLease } };
}

function leaseOf(text: string): bigint {
  try {
    return parseInt64(text, 16);
  } catch (error) {
    if (!(error instanceof ValueError)) throw error;
    throw new Failure(exitCodes.badArguments, `bad lease ID (${error.message}), expecting ID in Hex`);
  }
}

// minietcdctl del
import { Command } from "commander";
import type { DeleteSettings } from "../../../client/index.js";
import {
  booleanFlag,
  checkKeyFlags,
  exitCodes,
  Failure,
  intervalFlags,
  type Io,
  type KeyFlags,
  keyHelp,
} from "../args/index.js";
import { withSession } from "./session.js";

/** Flags of `del`. */
export interface DelFlags extends KeyFlags {
  readonly prevKv: boolean;
}

const examples = `
Prints the number of deleted keys.

Examples:
  $ minietcdctl del greeting
  $ minietcdctl del users/ --prefix --prev-kv`;

/** Declares `del`, with its help. */
export const delCommand = (): Command =>
  new Command("del")
    .description("Deletes a key, or the keys from <key> up to, but not including, <range_end>")
    .usage("[options] <key> [range_end]")
    .addOption(booleanFlag("--prefix", keyHelp.prefix))
    .addOption(booleanFlag("--from-key", keyHelp.fromKey))
    .addOption(
      booleanFlag(
        "--range",
        "accepted for compatibility: etcdctl 3.7 waits 2 seconds before it deletes a range without it",
      ),
    )
    .addOption(booleanFlag("--prev-kv", "print the deleted keys and values"))
    .addHelpText("after", examples);

/** Deletes keys and prints their number. */
export async function runDel(command: Command, io: Io): Promise<void> {
  const { key, settings } = delRequest(command.opts<DelFlags>(), command.args);
  await withSession(command, io, async ({ client, printer, limits }) => {
    printer.delete(await client.kv.delete(key, { ...settings, ...limits }));
  });
}

/** Makes the request. @throws Failure if flags or arguments are invalid */
export function delRequest(
  flags: DelFlags,
  [key, rangeEnd, ...more]: readonly string[],
): { key: string; settings: DeleteSettings } {
  if (key === undefined || more.length > 0)
    throw new Failure(
      exitCodes.badArguments,
      "del command needs one argument as key and an optional argument as range_end",
    );
  checkKeyFlags(flags);
  return { key, settings: { ...intervalFlags(rangeEnd, flags), prevKv: flags.prevKv } };
}

// minietcdctl get
import { Command } from "commander";
import type { GetSettings } from "../../../client/index.js";
import {
  booleanFlag,
  checkKeyFlags,
  consistencyFlag,
  counterFlag,
  exitCodes,
  Failure,
  intervalFlags,
  type Io,
  isSerializable,
  type KeyFlags,
  keyHelp,
  textFlag,
} from "../args/index.js";
import { FieldsPrinter, JsonPrinter, SimplePrinter } from "../output/index.js";
import { withSession } from "./session.js";

/** Flags of `get`. */
export interface GetFlags extends KeyFlags {
  readonly limit: number;
  readonly rev: number;
  readonly sortBy: string;
  readonly order: string;
  readonly consistency: string;
  readonly keysOnly: boolean;
  readonly countOnly: boolean;
  readonly printValueOnly: boolean;
  readonly stream: boolean;
  readonly minCreateRev: number;
  readonly maxCreateRev: number;
  readonly minModRev: number;
  readonly maxModRev: number;
}

const examples = `
Examples:
  $ minietcdctl get greeting
  $ minietcdctl get users/ --prefix --limit 10 --sort-by MODIFY --order DESCEND
  $ minietcdctl get greeting --rev 5 -w json`;

/** Declares `get`, with its help. */
export const getCommand = (): Command =>
  new Command("get")
    .description("Gets a key, or the keys from <key> up to, but not including, <range_end>")
    .usage("[options] <key> [range_end]")
    .addOption(booleanFlag("--prefix", keyHelp.prefix))
    .addOption(booleanFlag("--from-key", keyHelp.fromKey))
    .addOption(counterFlag("--limit <n>", "maximum number of keys; 0: all"))
    .addOption(counterFlag("--rev <revision>", "read at this revision; 0: the newest"))
    .addOption(textFlag("--sort-by <what>", "CREATE, KEY, MODIFY, VALUE or VERSION; by key if empty"))
    .addOption(textFlag("--order <order>", "ASCEND or DESCEND; ascending if empty"))
    .addOption(consistencyFlag())
    .addOption(counterFlag("--min-create-rev <revision>", "keys created at this revision or later; 0: all"))
    .addOption(counterFlag("--max-create-rev <revision>", "keys created at this revision or before; 0: all"))
    .addOption(counterFlag("--min-mod-rev <revision>", "keys last changed at this revision or later; 0: all"))
    .addOption(counterFlag("--max-mod-rev <revision>", "keys last changed at this revision or before; 0: all"))
    .addOption(booleanFlag("--keys-only", "keys without their values"))
    .addOption(booleanFlag("--count-only", "only the number of keys; with -w fields or json"))
    .addOption(booleanFlag("--print-value-only", "values without their keys; with -w simple"))
    .addOption(booleanFlag("--stream", "receive the keys in chunks, by RangeStream (etcd 3.7 and later)"))
    .addHelpText("after", examples);

/** Reads keys and prints them. */
export async function runGet(command: Command, io: Io): Promise<void> {
  const flags = command.opts<GetFlags>();
  const { key, settings } = getRequest(flags, command.args);
  await withSession(command, io, async ({ client, printer, limits }) => {
    const options = { ...settings, ...limits };
    const result = await (flags.stream ? client.kv.getStream(key, options) : client.kv.get(key, options));
    if (flags.countOnly && !(printer instanceof FieldsPrinter || printer instanceof JsonPrinter))
      throw new Failure(exitCodes.badArguments, "--count-only is only for `--write-out=fields`");
    if (flags.printValueOnly && !(printer instanceof SimplePrinter))
      throw new Failure(exitCodes.badArguments, "print-value-only is only for `--write-out=simple`");
    printer.get(result, { valueOnly: flags.printValueOnly });
  });
}

const sortTargets = {
  CREATE: "createRevision",
  KEY: "key",
  MODIFY: "modRevision",
  VALUE: "value",
  VERSION: "version",
} as const;
const orders = { ASCEND: "ascending", DESCEND: "descending" } as const;

/**
 * Makes the request.
 *
 * @throws Failure if flags or arguments are invalid; the checks are in etcdctl's order, as only the first is reported
 */
export function getRequest(
  flags: GetFlags,
  [key, rangeEnd]: readonly string[],
): { key: string; settings: GetSettings } {
  if (key === undefined)
    throw new Failure(
      exitCodes.badArguments,
      "get command needs one argument as key and an optional argument as range_end",
    );
  checkKeyFlags(flags);
  if (flags.keysOnly && flags.countOnly)
    throw new Failure(
      exitCodes.badArguments,
      "`--keys-only` and `--count-only` cannot be set at the same time, choose one",
    );
  const serializable = isSerializable(flags.consistency);
  const interval = intervalFlags(rangeEnd, flags);
  const order = oneOf(orders, flags.order, "order");
  const sortBy = oneOf(sortTargets, flags.sortBy, "target");
  const revisions = revisionBounds(flags);
  const { limit, rev: revision, keysOnly, countOnly } = flags;
  const selection = { ...interval, limit, revision, ...revisions };
  return { key, settings: { ...selection, serializable, keysOnly, countOnly, order, sortBy } };
}

/** Returns the bounds of revisions. @throws Failure with etcdctl's text if no revision can be within the bounds */
function revisionBounds({ minCreateRev, maxCreateRev, minModRev, maxModRev }: GetFlags) {
  const check = (what: string, min: number, max: number) => {
    if (max > 0 && min > max)
      throw new Failure(exitCodes.badFeature, `getMin${what}Rev(=${min}) > getMax${what}Rev(=${max})`);
  };
  check("Create", minCreateRev, maxCreateRev);
  check("Mod", minModRev, maxModRev);
  return {
    minCreateRevision: minCreateRev,
    maxCreateRevision: maxCreateRev,
    minModRevision: minModRev,
    maxModRevision: maxModRev,
  };
}

function oneOf<Choices extends Readonly<Record<string, string>>>(
  choices: Choices,
  text: string,
  what: string,
): Choices[keyof Choices] | undefined {
  if (text === "") return undefined;
  const name = text.toUpperCase();
  if (!Object.hasOwn(choices, name)) throw new Failure(exitCodes.badFeature, `bad sort ${what} ${text}`);
  return choices[name as keyof Choices];
}

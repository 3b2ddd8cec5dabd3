// The request of a `watch`, on the command line or in a line of `watch -i`.
import { Command } from "commander";
import type { WatchOptions } from "../../../client/index.js";
import {
  booleanFlag,
  counterFlag,
  exitCodes,
  Failure,
  keyHelp,
  parseAlone,
  quote,
  refuseLostBytes,
} from "../args/index.js";

/** Flags of `watch`. */
export interface WatchFlags {
  readonly interactive: boolean;
  readonly prefix: boolean;
  readonly rev: number;
  readonly prevKv: boolean;
  readonly progressNotify: boolean;
}

/** The arguments of a watch, and the command to run for its changes. */
export interface WatchRequest {
  readonly key: Uint8Array;
  readonly options: WatchOptions;
  /** The command to run for each change; empty: none. */
  readonly exec: readonly string[];
}

const examples = `
Prints each change: PUT or DELETE, the key, the value. The command after "--" runs for each change, with
ETCD_WATCH_REVISION, ETCD_WATCH_EVENT_TYPE, ETCD_WATCH_KEY and ETCD_WATCH_VALUE in its environment. Without a key,
ETCDCTL_WATCH_KEY and ETCDCTL_WATCH_RANGE_END name the keys.

With -i, each line of standard input is a request: "watch" with flags and a key, or "progress", which asks the server for a
progress notice.

Examples:
  $ minietcdctl watch greeting
  $ minietcdctl watch users/ --prefix --prev-kv --rev 5
  $ minietcdctl watch config -- sh -c 'echo now: $ETCD_WATCH_VALUE'`;

/** Declares `watch`, with its help. */
export const watchCommand = (): Command =>
  new Command("watch")
    .description("Prints the changes of a key, or of the keys from <key> up to, but not including, <range_end>")
    .usage("[options] [key] [range_end] [-- command args...]")
    .addOption(booleanFlag("-i, --interactive", "read watch requests from standard input"))
    .addOption(booleanFlag("--prefix", keyHelp.prefix))
    .addOption(counterFlag("--rev <revision>", "from this revision on; 0: from now on"))
    .addOption(booleanFlag("--prev-kv", "also print the previous key and value"))
    .addOption(booleanFlag("--progress-notify", "ask the server for periodic progress notices"))
    .addHelpText("after", examples);

/** The keys of a watch are missing or invalid; its other parts are valid. */
export class KeysFailure extends Failure {
  constructor(reason: string) {
    super(exitCodes.badArguments, reason);
  }
}

const refuse = (reason: string) => new Failure(exitCodes.badArguments, reason);

/** Returns the keys to watch from the environment. @throws Failure if there is an end without a key, or if they are not UTF-8 */
export function keysFromEnv(env: NodeJS.ProcessEnv): readonly string[] {
  const { ETCDCTL_WATCH_KEY: key = "", ETCDCTL_WATCH_RANGE_END: rangeEnd = "" } = env;
  refuseLostBytes([key, rangeEnd]);
  if (key === "" && rangeEnd !== "")
    throw refuse(`ETCDCTL_WATCH_KEY is empty but got ETCDCTL_WATCH_RANGE_END=${quote(rangeEnd)}`);
  return [key, rangeEnd].filter((each) => each !== "");
}

/** Arguments of `watch`, before and after `--`. */
export interface WatchArguments {
  readonly positional: readonly string[];
  readonly afterDashes?: readonly string[] | undefined;
}

/**
 * Makes the request of a watch from its flags and arguments.
 *
 * @param fromEnv the keys to watch if the arguments contain none
 * @param bytesOf converts an argument to the bytes of a key
 * @throws Failure if flags or arguments are invalid
 */
export function watchRequest(
  { prefix, rev, prevKv, progressNotify }: WatchFlags,
  { positional, afterDashes }: WatchArguments,
  fromEnv: readonly string[],
  bytesOf: (text: string) => Uint8Array,
): WatchRequest {
  if (afterDashes?.length === 0) throw refuse("bad number of arguments (found separator --, but no commands)");
  if (positional.length > 0 && fromEnv.length > 0)
    throw refuse("bad number of arguments (found conflicting environment key)");
  const [key, rangeEnd, ...more] = positional.length > 0 ? positional : fromEnv;
  const wrongNumber = "bad number of arguments";
  if (key === undefined && afterDashes !== undefined) throw new KeysFailure(wrongNumber);
  if (key === undefined || more.length > 0) throw refuse(wrongNumber);
  if (prefix && rangeEnd !== undefined) throw new KeysFailure("`range_end` and `--prefix` are mutually exclusive");
  const options = {
    prefix,
    rangeEnd: rangeEnd === undefined ? undefined : bytesOf(rangeEnd),
    startRevision: rev,
    prevKv,
    delivery: { progressNotify, fragment: false }, // one response of the server is printed as one answer
  };
  return { key: bytesOf(key), options, exec: afterDashes ?? [] };
}

/**
 * Reads the words of a line that follow `watch`.
 *
 * @throws Failure if the words are invalid
 */
export function watchLineRequest(
  words: readonly string[],
  fromEnv: readonly string[],
  bytesOf: (text: string) => Uint8Array,
): WatchRequest {
  const command = watchCommand();
  try {
    const args = parseAlone(command, words);
    return watchRequest(command.opts<WatchFlags>(), args, fromEnv, bytesOf);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    throw error instanceof KeysFailure ? error : refuse(error.message);
  }
}

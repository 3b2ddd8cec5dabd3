// The program that `watch … -- program` runs for each change.
import type { WatchEvent } from "../../../client/index.js";
import { exitCodes, type Io, quote, SilentFailure } from "../args/index.js";
import { runToEnd } from "./child-program.js";

/**
 * Runs it, and waits for its end.
 *
 * @param revision of the server when it told of the event
 * @throws SilentFailure, having said why, if it cannot be run or does not succeed
 */
export async function runForEvent(
  words: readonly string[],
  { type, kv }: WatchEvent,
  revision: number,
  io: Io,
): Promise<void> {
  const env = {
    ETCD_WATCH_REVISION: String(revision),
    ETCD_WATCH_EVENT_TYPE: quote(type.toUpperCase()),
    ETCD_WATCH_KEY: quote(kv.key),
    ETCD_WATCH_VALUE: quote(kv.value),
  };
  const failure = await runToEnd(words, env, io);
  if (failure === undefined) return;
  io.note(`command [${words.map(quote).join(" ")}] error (${failure.reason})`);
  throw new SilentFailure(exitCodes.error);
}

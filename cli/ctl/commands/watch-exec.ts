// The program that `watch … -- program` runs for each change.
import type { WatchEvent } from "../../../client/index.js";
import { exitCodes, type Io, quote, SilentFailure } from "../args/index.js";
import { runToEnd } from "./child-program.js";

/**
 * Runs the program, and waits until it ends.
 *
 * @param revision the server's revision in the response with the event
 * @throws SilentFailure, after a message, if the program cannot be started or fails
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

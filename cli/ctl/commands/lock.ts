// minietcdctl lock
import { Command } from "commander";
import { toText } from "../../../client/index.js";
import { counterFlag, exitCodes, Failure, type Io, runStoppable } from "../args/index.js";
import { runToEnd } from "./child-program.js";
import {
  cancellationFailure,
  type HeldKey,
  keyOf,
  whenObtained,
  ttlSecondsOf,
  workWhileHolding,
  whenStopped,
} from "./holding.js";
import { type Session, withSession } from "./session.js";

const examples = `
Waits until no other client holds the lock, then runs the command with ETCD_LOCK_KEY and ETCD_LOCK_REV in its environment, and ends
with the command's exit code. Without a command, prints the key that holds the lock, and holds it until SIGINT or SIGTERM. A
command whose arguments begin with "-" goes after "--".

Examples:
  $ minietcdctl lock deploy
  $ minietcdctl lock deploy -- sh -c 'echo the lock is held by $ETCD_LOCK_KEY'`;

/** Declares `lock`, with its help. */
export const lockCommand = (): Command =>
  new Command("lock")
    .description("Acquires a lock, and holds it until a command or this program ends")
    .usage("[options] <lockname> [command args...]")
    .addOption(counterFlag("--ttl <seconds>", "time after which the lock is released if this program dies", 10))
    .addHelpText("after", examples);

/** Holds a lock while a command runs, or until the program is stopped. */
export async function runLock(command: Command, io: Io): Promise<void> {
  const [name, ...words] = command.args;
  if (name === undefined)
    throw new Failure(exitCodes.badArguments, "lock takes a lock name argument and an optional command to execute");
  const { ttl } = command.opts<{ ttl: number }>();
  await withSession(command, io, (session) =>
    runStoppable(io, async (stop) => {
      const options = { ttlSeconds: ttlSecondsOf(ttl), signal: stop };
      const lock = await whenObtained(session.client.lock(name, options), stop, "session expired");
      const heldKey: HeldKey = { key: lock.key, lossSignal: lock.lossSignal, giveUp: () => lock.release() };
      const work = words.length === 0 ? holdLock : runLocked;
      await workWhileHolding(heldKey, io, () => work({ heldKey, session, stop, words }, io));
    }),
  );
}

/** A held lock, and the command to run while it is held. */
interface Locked {
  readonly heldKey: HeldKey;
  readonly session: Session;
  readonly stop: AbortSignal;
  readonly words: readonly string[];
}

async function holdLock({ heldKey, session, stop }: Locked): Promise<void> {
  session.printer.get(await keyOf(heldKey, session), { valueOnly: false });
  await whenStopped(heldKey, stop, "session expired");
}

/** @throws Failure with the command's exit code, or if the lock was lost before its end */
async function runLocked({ heldKey, session, stop, words }: Locked, io: Io): Promise<void> {
  const { key, lossSignal } = heldKey;
  const { header } = await keyOf(heldKey, session);
  if (stop.aborted) throw cancellationFailure();
  const warn = () => io.note("Warning: the lock is lost; the command continues");
  lossSignal.addEventListener("abort", warn);
  const variables = { ETCD_LOCK_KEY: toText(key), ETCD_LOCK_REV: String(header.revision) };
  const failure = await runToEnd(words, variables, io, io.signals);
  lossSignal.removeEventListener("abort", warn);
  if (failure !== undefined) throw new Failure(failure.exitCode, failure.reason);
  if (lossSignal.aborted) throw new Failure(exitCodes.error, "session expired");
}

// minietcdctl elect
import { Command } from "commander";
import { EtcdError } from "../../../client/index.js";
import { booleanFlag, exitCodes, Failure, type Io, runStoppable } from "../args/index.js";
import { type HeldKey, keyOf, whenObtained, workWhileHolding, whenStopped } from "./holding.js";
import { type Session, withSession } from "./session.js";

const examples = `
Waits until this candidate leads, prints its key and its proposal, and leads until SIGINT or SIGTERM. With -l, prints the
current leader, and each later leader.

Examples:
  $ minietcdctl elect jobs 10.0.0.1:8080
  $ minietcdctl elect jobs -l`;

/** Declares `elect`, with its help. */
export const electCommand = (): Command =>
  new Command("elect")
    .description("Takes part in an election, or observes it")
    .usage("[options] <election-name> [proposal]")
    .addOption(booleanFlag("-l, --listen", "observe the election only"))
    .addHelpText("after", examples);

/** Leads an election until the program is stopped, or prints its leaders. */
export async function runElect(command: Command, io: Io): Promise<void> {
  const { name, proposal } = electRequest(command.opts<{ listen: boolean }>(), command.args);
  await withSession(command, io, (session) =>
    runStoppable(io, (stop) =>
      proposal === undefined ? observe(name, session, stop) : lead({ name, proposal }, session, stop, io),
    ),
  );
}

/** Makes the request. @throws Failure if flags or arguments are invalid */
export function electRequest(
  { listen }: { readonly listen: boolean },
  [name, proposal, ...more]: readonly string[],
): { readonly name: string; readonly proposal: string | undefined } {
  const refuse = (reason: string) => new Failure(exitCodes.badArguments, reason);
  if (name === undefined || more.length > 0)
    throw refuse("elect takes one election name argument and an optional proposal argument");
  if (proposal === undefined && !listen) throw refuse("no proposal argument but -l not set");
  if (proposal !== undefined && listen) throw refuse("proposal given but -l is set");
  return { name, proposal };
}

/** A candidate of an election. */
interface Candidate {
  readonly name: string;
  readonly proposal: string;
}

async function lead({ name, proposal }: Candidate, session: Session, stop: AbortSignal, io: Io): Promise<void> {
  const campaign = session.client.election(name).campaign(proposal, { signal: stop });
  const leadership = await whenObtained(campaign, stop, "elect: session expired");
  const { key, lossSignal } = leadership;
  const heldKey: HeldKey = { key, lossSignal, giveUp: () => leadership.resign() };
  await workWhileHolding(heldKey, io, async () => {
    session.printer.get(await keyOf(heldKey, session), { valueOnly: false });
    await whenStopped(heldKey, stop, "elect: session expired");
  });
}

/** Prints leaders until the program is stopped. */
async function observe(name: string, { client, printer, limits }: Session, stop: AbortSignal): Promise<void> {
  try {
    const { header } = await client.kv.get(`${name}/`, { prefix: true, countOnly: true, ...limits });
    for await (const kv of client.election(name).observe({ signal: stop })) {
      // count 0, as in etcdctl, whose answers consist of a header and a key
      const result = { header: { ...header, revision: kv.modRevision }, kvs: [kv], more: false, count: 0 };
      printer.get(result, { valueOnly: false });
    }
  } catch (error) {
    if (!(error instanceof EtcdError && stop.aborted)) throw error;
  }
  if (!stop.aborted) throw new Failure(exitCodes.error, "elect: observer lost");
}

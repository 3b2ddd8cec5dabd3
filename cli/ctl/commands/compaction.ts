// minietcdctl compaction
import { Command } from "commander";
import { booleanFlag, exitCodes, Failure, type Io, parseCounter, ValueError } from "../args/index.js";
import { withSession } from "./session.js";

const examples = `
Examples:
  $ minietcdctl compaction 1000
  $ minietcdctl compaction --physical 1000`;

/** Declares `compaction`, with its help. */
export const compactionCommand = (): Command =>
  new Command("compaction")
    .description("Compacts the history before a revision")
    .usage("[options] <revision>")
    .addOption(booleanFlag("--physical", "wait until the history is removed from disk"))
    .addHelpText("after", examples);

/** Compacts the history. @throws Failure if the revision is not a number or the server refuses it */
export async function runCompaction(command: Command, io: Io): Promise<void> {
  const { physical } = command.opts<{ physical: boolean }>();
  const [text, ...more] = command.args;
  if (text === undefined || more.length > 0)
    throw new Failure(exitCodes.badArguments, "compaction command needs 1 argument");
  const revision = revisionOf(text);
  await withSession(command, io, async ({ client, limits }) => {
    await client.kv.compact(revision, { physical, ...limits });
    io.print(`compacted revision ${revision}\n`);
  });
}

function revisionOf(text: string): number {
  try {
    return parseCounter(text, 10);
  } catch (error) {
    if (!(error instanceof ValueError)) throw error;
    throw new Failure(exitCodes.error, error.message);
  }
}

// minietcdctl member list
import { Command } from "commander";
import { consistencyFlag, type Io, isSerializable } from "../args/index.js";
import { withSession } from "./session.js";

const examples = `
Prints for each member: id, whether it has ever started, name, peer URLs, client URLs, whether it is a learner.

Example:
  $ minietcdctl member list`;

/** Declares `member list`, with its help. */
export const memberListCommand = (): Command =>
  new Command("list")
    .description("Lists the members of the cluster")
    .addOption(consistencyFlag())
    .addHelpText("after", examples);

/** Prints the members of the cluster. */
export async function runMemberList(command: Command, io: Io): Promise<void> {
  const serializable = isSerializable(command.opts<{ consistency: string }>().consistency);
  await withSession(command, io, async ({ client, printer, limits }) => {
    printer.memberList(await client.cluster.memberList({ serializable, ...limits }));
  });
}

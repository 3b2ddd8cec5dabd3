// minietcdctl member list
import { Command } from "commander";
import type { Io } from "../args/index.js";
import { withSession } from "./session.js";

const examples = `
Prints for each member: id, whether it has ever started, name, peer URLs, client URLs, whether it is a learner.

Example:
  $ minietcdctl member list`;

/** Declares `member list`, with its help. */
export const memberListCommand = (): Command =>
  new Command("list").description("Lists the members of the cluster").addHelpText("after", examples);

/** Prints the members of the cluster. */
export const runMemberList = (command: Command, io: Io): Promise<void> =>
  withSession(command, io, async ({ client, printer, limits }) => {
    printer.memberList(await client.cluster.memberList(limits));
  });

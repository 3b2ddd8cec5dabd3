// minietcdctl member list, add, remove, update, promote
import { Command } from "commander";
import type { Member, MemberAddResult } from "../../../client/index.js";
import {
  booleanFlag,
  consistencyFlag,
  exitCodes,
  Failure,
  type Io,
  isSerializable,
  parseHexUint64,
  quote,
  textFlag,
  ValueError,
} from "../args/index.js";
import { SimplePrinter } from "../output/index.js";
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

/** Declares `member add`, with its help. */
export const memberAddCommand = (): Command =>
  new Command("add")
    .description("Adds a member to the cluster, and prints the settings to start it with")
    .usage("[options] <name>")
    .addOption(textFlag("--peer-urls <urls>", "peer URLs of the new member, separated by commas"))
    .addOption(booleanFlag("--learner", "the member does not vote until it is promoted"))
    .addHelpText("after", "\nExample:\n  $ minietcdctl member add m4 --peer-urls http://10.0.0.4:2380");

/** Declares `member remove`, with its help. */
export const memberRemoveCommand = (): Command =>
  new Command("remove")
    .description("Removes a member from the cluster")
    .usage("[options] <member_id>")
    .addHelpText("after", "\nExample:\n  $ minietcdctl member remove c89feb932daef420");

/** Declares `member update`, with its help. */
export const memberUpdateCommand = (): Command =>
  new Command("update")
    .description("Replaces the peer URLs of a member")
    .usage("[options] <member_id>")
    .addOption(textFlag("--peer-urls <urls>", "the new peer URLs, separated by commas"))
    .addHelpText(
      "after",
      "\nExample:\n  $ minietcdctl member update c89feb932daef420 --peer-urls http://10.0.0.5:2380",
    );

/** Declares `member promote`, with its help. */
export const memberPromoteCommand = (): Command =>
  new Command("promote")
    .description("Promotes a learner to a voter")
    .usage("[options] <member_id>")
    .addHelpText("after", "\nExample:\n  $ minietcdctl member promote c89feb932daef420");

/** Adds a member. The simple format also prints the settings of the new member. */
export async function runMemberAdd(command: Command, io: Io): Promise<void> {
  const name = newNameOf(command);
  const { peerUrls, learner } = command.opts<{ peerUrls: string; learner: boolean }>();
  const urls = urlsOf(peerUrls);
  await withSession(command, io, async ({ client, printer, limits }) => {
    const result = await client.cluster.memberAdd(urls, { isLearner: learner, ...limits });
    printer.memberAdd(result);
    if (printer instanceof SimplePrinter) io.print(startSettings(name, peerUrls, result));
  });
}

/** Removes a member. */
export async function runMemberRemove(command: Command, io: Io): Promise<void> {
  const id = memberIdOf(command);
  await withSession(command, io, async ({ client, printer, limits }) => {
    printer.memberChange({ id, change: "removed", ...(await client.cluster.memberRemove(id, limits)) });
  });
}

/** Replaces the peer URLs of a member. */
export async function runMemberUpdate(command: Command, io: Io): Promise<void> {
  const id = memberIdOf(command);
  const urls = urlsOf(command.opts<{ peerUrls: string }>().peerUrls);
  await withSession(command, io, async ({ client, printer, limits }) => {
    printer.memberChange({ id, change: "updated", ...(await client.cluster.memberUpdate(id, urls, limits)) });
  });
}

/** Makes a learner a voter. */
export async function runMemberPromote(command: Command, io: Io): Promise<void> {
  const id = memberIdOf(command);
  await withSession(command, io, async ({ client, printer, limits }) => {
    printer.memberChange({ id, change: "promoted", ...(await client.cluster.memberPromote(id, limits)) });
  });
}

const refuse = (reason: string) => new Failure(exitCodes.badArguments, reason);

function newNameOf({ args: [name, ...more], args }: Command): string {
  if (name === undefined) throw refuse("member name not provided");
  if (more.length === 0) return name;
  const urls = args.filter((word) => word.toLowerCase().startsWith("http"));
  throw refuse(`too many arguments${urls.map((url) => `, did you mean --peer-urls=${url}`).join("")}`);
}

function urlsOf(text: string): readonly string[] {
  if (text === "") throw refuse("member peer urls not provided");
  return text.split(",");
}

function memberIdOf({ args: [text, ...more] }: Command): bigint {
  if (text === undefined || more.length > 0) throw refuse("member ID is not provided");
  try {
    return parseHexUint64(text);
  } catch (error) {
    if (!(error instanceof ValueError)) throw error;
    throw refuse(`bad member ID arg (${error.message}), expecting ID in Hex`);
  }
}

/** Returns the environment variables with which the new member is to be started. */
function startSettings(name: string, peerUrls: string, { member, members }: MemberAddResult): string {
  const nameOf = (each: Member) => (each.ID === member.ID ? name : each.name);
  const cluster = members.flatMap((each) => each.peerURLs.map((url) => `${nameOf(each)}=${url}`)).join(",");
  const settings = [
    `ETCD_NAME=${quote(name)}`,
    `ETCD_INITIAL_CLUSTER=${quote(cluster)}`,
    `ETCD_INITIAL_ADVERTISE_PEER_URLS=${quote(peerUrls)}`,
    'ETCD_INITIAL_CLUSTER_STATE="existing"',
  ];
  return `\n${settings.join("\n")}\n`;
}

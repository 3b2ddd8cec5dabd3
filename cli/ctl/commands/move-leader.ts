// minietcdctl move-leader
import { Command } from "commander";
import { exitCodes, Failure, type Io, parseHexUint64, ValueError } from "../args/index.js";
import { withSession, type Session } from "./session.js";

const examples = `
The leader must be among the endpoints. On minietcd, requests under way wait until the other member leads.

Example:
  $ minietcdctl --endpoints 127.0.0.1:2379,127.0.0.1:22379,127.0.0.1:32379 move-leader c89feb932daef420`;

/** Declares `move-leader`, with its help. */
export const moveLeaderCommand = (): Command =>
  new Command("move-leader")
    .description("Transfers leadership to another member")
    .usage("[options] <member_id>")
    .addHelpText("after", examples);

/** Transfers leadership to a member. */
export async function runMoveLeader(command: Command, io: Io): Promise<void> {
  const to = targetOf(command);
  await withSession(command, io, async (session) => {
    const { endpoint, id } = await leaderOf(session);
    await session.client.maintenance.moveLeader(endpoint, to, session.limits);
    session.printer.moveLeader({ from: id, to });
  });
}

function targetOf({ args: [text, ...more] }: Command): bigint {
  if (text === undefined || more.length > 0)
    throw new Failure(exitCodes.badArguments, "move-leader command needs 1 argument");
  try {
    return parseHexUint64(text);
  } catch (error) {
    if (!(error instanceof ValueError)) throw error;
    throw new Failure(exitCodes.badArguments, error.message);
  }
}

/** Returns the first endpoint that is the leader's. The endpoints before it must answer, as in etcdctl. */
async function leaderOf({ client, endpoints, limits }: Session): Promise<{ endpoint: string; id: bigint }> {
  for (const endpoint of endpoints) {
    const { header, leader } = await client.maintenance.status(endpoint, limits);
    if (header.memberId === leader) return { endpoint, id: leader };
  }
  throw new Failure(exitCodes.badArguments, `no leader endpoint given at [${endpoints.join(" ")}]`);
}

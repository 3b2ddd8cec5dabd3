// minietcdctl defrag
import { Command } from "commander";
import { EtcdError } from "../../../client/index.js";
import { etcdText, exitCodes, formatDuration, type Io, SilentFailure, warningsOf } from "../args/index.js";
import { clusterFlag, endpointsOf } from "./endpoint.js";
import { withSession } from "./session.js";

/** Declares `defrag`, with its help. */
export const defragCommand = (): Command =>
  new Command("defrag")
    .description("Gives unused disk space back to the file system, at each endpoint")
    .addOption(clusterFlag())
    .addHelpText("after", "\nExample:\n  $ minietcdctl defrag --cluster");

/** Defragments one member after the other. @throws SilentFailure, after a message, if a member cannot be defragmented */
export const runDefrag = (command: Command, io: Io): Promise<void> =>
  withSession(command, io, async (session) => {
    let failed = false;
    for (const endpoint of await endpointsOf(command, session)) {
      const startedAt = performance.now();
      const took = () => `took ${formatDuration(performance.now() - startedAt)}`;
      try {
        await session.client.maintenance.defragment(endpoint, session.limits);
        io.print(`Finished defragmenting etcd member[${endpoint}]. ${took()}\n`);
      } catch (error) {
        if (!(error instanceof EtcdError)) throw error;
        failed = true;
        for (const warning of warningsOf(error)) io.note(`Warning: ${warning}`);
        io.note(`Failed to defragment etcd member[${endpoint}]. ${took()}. (${etcdText(error)})`);
      }
    }
    if (failed) throw new SilentFailure(exitCodes.error);
  });

// minietcdctl downgrade validate, enable, cancel
import { Command } from "commander";
import type { DowngradeAction } from "../../../client/index.js";
import { exitCodes, Failure, type Io } from "../args/index.js";
import { withSession } from "./session.js";

/** Declares `downgrade validate`, with its help. */
export const downgradeValidateCommand = (): Command =>
  new Command("validate")
    .description("Checks whether the cluster can be downgraded to a version")
    .usage("[options] <target_version>")
    .addHelpText("after", "\nExample:\n  $ minietcdctl downgrade validate 3.6");

/** Declares `downgrade enable`, with its help. */
export const downgradeEnableCommand = (): Command =>
  new Command("enable")
    .description("Begins a downgrade of the cluster; minietcd refuses it")
    .usage("[options] <target_version>")
    .addHelpText("after", "\nExample:\n  $ minietcdctl downgrade enable 3.6");

/** Declares `downgrade cancel`, with its help. */
export const downgradeCancelCommand = (): Command =>
  new Command("cancel")
    .description("Cancels the downgrade of the cluster")
    .addHelpText("after", "\nExample:\n  $ minietcdctl downgrade cancel");

/** Asks whether the cluster can be downgraded to a version. */
export const runDowngradeValidate = (command: Command, io: Io): Promise<void> =>
  ask("validate", targetOf(command), command, io);

/** Begins a downgrade. */
export const runDowngradeEnable = (command: Command, io: Io): Promise<void> =>
  ask("enable", targetOf(command), command, io);

/** Cancels a downgrade. Arguments are ignored, as in etcdctl. */
export const runDowngradeCancel = (command: Command, io: Io): Promise<void> => ask("cancel", "", command, io);

const ask = (action: DowngradeAction, version: string, command: Command, io: Io): Promise<void> =>
  withSession(command, io, async ({ client, printer, limits }) => {
    printer.downgrade(action, await client.maintenance.downgrade(action, version, limits));
  });

function targetOf({ args: [version, ...more] }: Command): string {
  const refuse = (reason: string) => new Failure(exitCodes.badArguments, reason);
  if (version === undefined) throw refuse("TARGET_VERSION not provided");
  if (more.length > 0) throw refuse("too many arguments");
  if (version === "") throw refuse("target version not provided");
  return version;
}

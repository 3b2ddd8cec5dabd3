// minietcdctl auth enable, disable, status
import { Command } from "commander";
import { EtcdError } from "../../../client/index.js";
import { exitCodes, Failure, type Io } from "../args/index.js";
import { withSession, type Session } from "./session.js";

/** Declares `auth enable`, with its help. */
export const authEnableCommand = (): Command =>
  new Command("enable")
    .description("Enables authentication: every request needs a user")
    .addHelpText(
      "after",
      "\nNeeds a user root. Gives it the role root if it does not have it.\n\nExample:\n  $ minietcdctl auth enable",
    );

/** Declares `auth disable`, with its help. */
export const authDisableCommand = (): Command =>
  new Command("disable")
    .description("Disables authentication; users and roles are kept")
    .addHelpText("after", "\nExample:\n  $ minietcdctl --user root auth disable");

/** Declares `auth status`, with its help. */
export const authStatusCommand = (): Command =>
  new Command("status")
    .description("Prints whether authentication is enabled")
    .addHelpText("after", "\nExample:\n  $ minietcdctl auth status");

/** Turns authentication on. */
export async function runAuthEnable(command: Command, io: Io): Promise<void> {
  refuseArguments(command);
  await withSession(command, io, async (session) => {
    await enable(session);
    io.print("Authentication Enabled\n");
  });
}

/** Turns authentication off. */
export async function runAuthDisable(command: Command, io: Io): Promise<void> {
  refuseArguments(command);
  await withSession(command, io, async ({ client, limits }) => {
    await client.auth.disable(limits);
    io.print("Authentication Disabled\n");
  });
}

/** Prints whether authentication is on. */
export async function runAuthStatus(command: Command, io: Io): Promise<void> {
  refuseArguments(command);
  await withSession(command, io, async ({ client, printer, limits }) => {
    printer.authStatus(await client.auth.status(limits));
  });
}

/** Turns authentication on; adds the role root and grants it to the user root, if only these are missing. */
async function enable({ client: { auth }, limits }: Session): Promise<void> {
  try {
    await auth.enable(limits);
  } catch (error) {
    if (!(error instanceof EtcdError && error.message === "etcdserver: root user does not have root role")) throw error;
    await auth.roleAdd("root", limits);
    await auth.userGrantRole({ user: "root", role: "root" }, limits);
    await auth.enable(limits);
  }
}

function refuseArguments(command: Command): void {
  if (command.args.length === 0) return;
  throw new Failure(exitCodes.badArguments, `auth ${command.name()} command does not accept any arguments`);
}

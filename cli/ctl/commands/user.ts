// minietcdctl user add, delete, get, list, passwd, grant-role, revoke-role
import { Command } from "commander";
import type { UserToAdd } from "../../../client/index.js";
import { askPassword, booleanFlag, exitCodes, Failure, type Io, readLine, textFlag } from "../args/index.js";
import { withSession } from "./session.js";

const interactiveHelp = "ask for the password twice; false: take it from standard input";

/** Declares `user add`, with its help. */
export const userAddCommand = (): Command =>
  new Command("add")
    .description("Adds a user")
    .argument("[user[:password]]")
    .addOption(booleanFlag("--interactive", interactiveHelp, true))
    .addOption(textFlag("--new-user-password <password>", "the password of the new user"))
    .addOption(
      booleanFlag("--no-password", "add a user without a password, who authenticates with a certificate's common name"),
    )
    .addHelpText("after", "\nExample:\n  $ minietcdctl user add alice");

/** Declares `user delete`, with its help. */
export const userDeleteCommand = (): Command =>
  new Command("delete")
    .description("Deletes a user")
    .argument("[user]")
    .addHelpText("after", "\nExample:\n  $ minietcdctl user delete alice");

/** Declares `user get`, with its help. */
export const userGetCommand = (): Command =>
  new Command("get")
    .description("Prints the roles of a user")
    .argument("[user]")
    .addOption(booleanFlag("--detail", "print the permissions of each role"))
    .addHelpText("after", "\nExample:\n  $ minietcdctl user get alice --detail");

/** Declares `user list`, with its help. */
export const userListCommand = (): Command =>
  new Command("list").description("Lists all users").addHelpText("after", "\nExample:\n  $ minietcdctl user list");

/** Declares `user passwd`, with its help. */
export const userPasswdCommand = (): Command =>
  new Command("passwd")
    .description("Changes the password of a user")
    .argument("[user]")
    .addOption(booleanFlag("--interactive", interactiveHelp, true))
    .addHelpText("after", "\nExample:\n  $ minietcdctl user passwd alice");

/** Declares `user grant-role`, with its help. */
export const userGrantRoleCommand = (): Command =>
  new Command("grant-role")
    .description("Grants a role to a user")
    .argument("[user]")
    .argument("[role]")
    .addHelpText("after", "\nExample:\n  $ minietcdctl user grant-role alice app");

/** Declares `user revoke-role`, with its help. */
export const userRevokeRoleCommand = (): Command =>
  new Command("revoke-role")
    .description("Revokes a role from a user")
    .argument("[user]")
    .argument("[role]")
    .addHelpText("after", "\nExample:\n  $ minietcdctl user revoke-role alice app");

/** Adds a user. */
export async function runUserAdd(command: Command, io: Io): Promise<void> {
  const user = await userToAdd(onlyArgument(command, "add"), command, io);
  await withSession(command, io, async ({ client, printer, limits }) => {
    printer.authChange(await client.auth.userAdd(user, limits), `User ${user.user} created`);
  });
}

/** Deletes a user. */
export async function runUserDelete(command: Command, io: Io): Promise<void> {
  const user = onlyArgument(command, "delete");
  await withSession(command, io, async ({ client, printer, limits }) => {
    printer.authChange(await client.auth.userDelete(user, limits), `User ${user} deleted`);
  });
}

/** Prints the roles of a user; with `--detail`, also their permissions. */
export async function runUserGet(command: Command, io: Io): Promise<void> {
  const user = onlyArgument(command, "get");
  const { detail } = command.opts<{ detail: boolean }>();
  await withSession(command, io, async ({ client, printer, limits }) => {
    const result = await client.auth.userGet(user, limits);
    if (!detail) {
      printer.userGet({ user, ...result });
      return;
    }
    io.print(`User: ${user}\n`); // in every format, as etcdctl
    for (const role of result.roles) {
      io.print("\n");
      printer.roleGet({ role, ...(await client.auth.roleGet(role, limits)) });
    }
  });
}

/** Lists all users. */
export async function runUserList(command: Command, io: Io): Promise<void> {
  if (command.args.length > 0) throw new Failure(exitCodes.badArguments, "user list command requires no arguments");
  await withSession(command, io, async ({ client, printer, limits }) => {
    printer.userList(await client.auth.userList(limits));
  });
}

/** Changes the password of a user. */
export async function runUserPasswd(command: Command, io: Io): Promise<void> {
  const user = onlyArgument(command, "passwd");
  const { interactive } = command.opts<{ interactive: boolean }>();
  const password = interactive ? await askTwice(user, io) : await passwordFrom(io);
  await withSession(command, io, async ({ client, printer, limits }) => {
    printer.authChange(await client.auth.userChangePassword({ user, password }, limits), "Password updated");
  });
}

/** Gives a role to a user. */
export async function runUserGrantRole(command: Command, io: Io): Promise<void> {
  const names = userAndRole(command, "user grant command requires user name and role name as its argument");
  const { user, role } = names;
  await withSession(command, io, async ({ client, printer, limits }) => {
    printer.authChange(await client.auth.userGrantRole(names, limits), `Role ${role} is granted to user ${user}`);
  });
}

/** Takes a role from a user. */
export async function runUserRevokeRole(command: Command, io: Io): Promise<void> {
  const names = userAndRole(command, "user revoke-role requires user name and role name as its argument");
  const { user, role } = names;
  await withSession(command, io, async ({ client, printer, limits }) => {
    printer.authChange(await client.auth.userRevokeRole(names, limits), `Role ${role} is revoked from user ${user}`);
  });
}

interface AddFlags {
  readonly interactive: boolean;
  readonly newUserPassword: string;
  readonly noPassword: boolean;
}

async function userToAdd(given: string, command: Command, io: Io): Promise<UserToAdd> {
  const { interactive, newUserPassword, noPassword } = command.opts<AddFlags>();
  if (noPassword) return { user: given, noPassword };
  if (newUserPassword !== "") return { user: given, password: newUserPassword };
  const colon = given.indexOf(":");
  if (colon < 0) return { user: given, password: interactive ? await askTwice(given, io) : await passwordFrom(io) };
  if (colon === 0) throw new Failure(exitCodes.badArguments, "empty user name is not allowed");
  return { user: given.slice(0, colon), password: given.slice(colon + 1) };
}

/** Reads a line and returns its first word. */
const passwordFrom = async ({ stdin }: Io): Promise<string> => /\S+/.exec(await readLine(stdin))?.[0] ?? "";

async function askTwice(user: string, io: Io): Promise<string> {
  const password = await askPassword(`Password of ${user}: `, io);
  if (password === "") throw new Failure(exitCodes.badArguments, "empty password");
  if (password !== (await askPassword(`Type password of ${user} again for confirmation: `, io)))
    throw new Failure(exitCodes.badArguments, "given passwords are different");
  return password;
}

function onlyArgument({ args: [user, ...others] }: Command, name: string): string {
  if (user !== undefined && others.length === 0) return user;
  throw new Failure(exitCodes.badArguments, `user ${name} command requires user name as its argument`);
}

function userAndRole({ args: [user, role, ...others] }: Command, refusal: string) {
  if (user !== undefined && role !== undefined && others.length === 0) return { user, role };
  throw new Failure(exitCodes.badArguments, refusal);
}

// minietcdctl role add, delete, get, list, grant-permission, revoke-permission
import { Command } from "commander";
import { prefixEnd, type PermissionType } from "../../../client/index.js";
import { booleanFlag, exitCodes, Failure, type Io, keyHelp, type KeyFlags } from "../args/index.js";
import { withSession } from "./session.js";

/** Declares `role add`, with its help. */
export const roleAddCommand = (): Command =>
  new Command("add")
    .description("Adds a role without permissions")
    .argument("[role]")
    .addHelpText("after", "\nExample:\n  $ minietcdctl role add app");

/** Declares `role delete`, with its help. */
export const roleDeleteCommand = (): Command =>
  new Command("delete")
    .description("Deletes a role, and revokes it from all users")
    .argument("[role]")
    .addHelpText("after", "\nExample:\n  $ minietcdctl role delete app");

/** Declares `role get`, with its help. */
export const roleGetCommand = (): Command =>
  new Command("get")
    .description("Prints the permissions of a role")
    .argument("[role]")
    .addHelpText("after", "\nExample:\n  $ minietcdctl role get app");

/** Declares `role list`, with its help. */
export const roleListCommand = (): Command =>
  new Command("list").description("Lists all roles").addHelpText("after", "\nExample:\n  $ minietcdctl role list");

/** Declares `role grant-permission`, with its help. */
export const roleGrantPermissionCommand = (): Command =>
  new Command("grant-permission")
    .description("Grants a role permission to read or write a key, or a range of keys")
    .argument("[role]")
    .argument("[type]", "read, write or readwrite")
    .argument("[key]")
    .argument("[end]", "end of the range, exclusive")
    .addOption(booleanFlag("--prefix", keyHelp.prefix))
    .addOption(booleanFlag("--from-key", keyHelp.fromKey))
    .addHelpText("after", "\nExample:\n  $ minietcdctl role grant-permission app readwrite app/ --prefix");

/** Declares `role revoke-permission`, with its help. */
export const roleRevokePermissionCommand = (): Command =>
  new Command("revoke-permission")
    .description("Revokes a permission from a role; name the same keys as in the grant")
    .argument("[role]")
    .argument("[key]")
    .argument("[end]", "end of the range, exclusive")
    .addOption(booleanFlag("--prefix", keyHelp.prefix))
    .addOption(booleanFlag("--from-key", keyHelp.fromKey))
    .addHelpText("after", "\nExample:\n  $ minietcdctl role revoke-permission app app/ --prefix");

/** Adds a role. */
export async function runRoleAdd(command: Command, io: Io): Promise<void> {
  const role = onlyArgument(command);
  await withSession(command, io, async ({ client, printer, limits }) => {
    printer.authChange(await client.auth.roleAdd(role, limits), `Role ${role} created`);
  });
}

/** Deletes a role. */
export async function runRoleDelete(command: Command, io: Io): Promise<void> {
  const role = onlyArgument(command);
  await withSession(command, io, async ({ client, printer, limits }) => {
    printer.authChange(await client.auth.roleDelete(role, limits), `Role ${role} deleted`);
  });
}

/** Prints the permissions of a role. */
export async function runRoleGet(command: Command, io: Io): Promise<void> {
  const role = onlyArgument(command);
  await withSession(command, io, async ({ client, printer, limits }) => {
    printer.roleGet({ role, ...(await client.auth.roleGet(role, limits)) });
  });
}

/** Lists all roles. */
export async function runRoleList(command: Command, io: Io): Promise<void> {
  if (command.args.length > 0) throw new Failure(exitCodes.badArguments, "role list command requires no arguments");
  await withSession(command, io, async ({ client, printer, limits }) => {
    printer.roleList(await client.auth.roleList(limits));
  });
}

/** Lets a role read or write keys. */
export async function runRoleGrantPermission(command: Command, io: Io): Promise<void> {
  const [role, typeName, ...keys] = command.args;
  if (role === undefined || typeName === undefined || keys[0] === undefined)
    throw new Failure(
      exitCodes.badArguments,
      "role grant command requires role name, permission type, and key [endkey] as its argument",
    );
  const type = permissionType(typeName);
  const interval = intervalOf(keys[0], keys[1], command.opts<KeyFlags>());
  await withSession(command, io, async ({ client, printer, limits }) => {
    const result = await client.auth.roleGrantPermission({ role, type, ...interval }, limits);
    printer.authChange(result, `Role ${role} updated`);
  });
}

/** Takes a permission from a role. */
export async function runRoleRevokePermission(command: Command, io: Io): Promise<void> {
  const [role, key, end] = command.args;
  if (role === undefined || key === undefined)
    throw new Failure(
      exitCodes.badArguments,
      "role revoke-permission command requires role name and key [endkey] as its argument",
    );
  const interval = intervalOf(key, end, command.opts<KeyFlags>());
  await withSession(command, io, async ({ client, printer, limits }) => {
    const result = await client.auth.roleRevokePermission({ role, ...interval }, limits);
    printer.authChange(
      result,
      `Permission of ${describeInterval(key, interval.rangeEnd)} is revoked from role ${role}`,
    );
  });
}

function onlyArgument(command: Command): string {
  const [role, ...others] = command.args;
  if (role !== undefined && others.length === 0) return role;
  throw new Failure(exitCodes.badArguments, `role ${command.name()} command requires role name as its argument`);
}

function permissionType(name: string): PermissionType {
  const type = (["read", "write", "readwrite"] as const).find((each) => each === name.toLowerCase());
  if (type === undefined) throw new Failure(exitCodes.badArguments, `invalid permission type: ${name}`);
  return type;
}

interface Interval {
  readonly key: string;
  /** The end of the interval. A zero byte: no end. Empty: only the key. */
  readonly rangeEnd: string | Uint8Array;
}

const zero = "\0";

/** Reads an interval as etcdctl does: an empty key stands for the first possible key, also together with an end. */
function intervalOf(key: string, end: string | undefined, { prefix, fromKey }: KeyFlags): Interval {
  if (prefix && fromKey && (key === "" || end === undefined))
    throw new Failure(exitCodes.badArguments, "--from-key and --prefix flags are mutually exclusive");
  if (key === "") return { key: zero, rangeEnd: prefix || fromKey ? zero : "" };
  if (end !== undefined && (prefix || fromKey))
    throw new Failure(
      exitCodes.badArguments,
      `unexpected endkey argument with ${prefix ? "--prefix" : "--from-key"} flag`,
    );
  if (prefix) return { key, rangeEnd: prefixEnd(Buffer.from(key)) };
  return { key, rangeEnd: fromKey ? zero : (end ?? "") };
}

function describeInterval(key: string, rangeEnd: Interval["rangeEnd"]): string {
  const end = Buffer.from(rangeEnd).toString("utf8");
  if (end === "") return `key ${key}`;
  return `range [${key}, ${end === zero ? "<open ended>" : `${end})`}`;
}

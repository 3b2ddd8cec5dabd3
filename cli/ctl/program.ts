// The program minietcdctl: declares all commands, finds the command of a command line, runs it, and returns the exit code.
import { Command, type Option } from "commander";
import {
  alarmDisarmCommand,
  alarmListCommand,
  authDisableCommand,
  authEnableCommand,
  authStatusCommand,
  checkDatascaleCommand,
  checkPerfCommand,
  compactionCommand,
  completionCommand,
  defragCommand,
  delCommand,
  downgradeCancelCommand,
  downgradeEnableCommand,
  downgradeValidateCommand,
  electCommand,
  getCommand,
  globalFlags,
  grantCommand,
  hashKvCommand,
  healthCommand,
  keepAliveCommand,
  leaseListCommand,
  lockCommand,
  makeMirrorCommand,
  memberAddCommand,
  memberListCommand,
  memberPromoteCommand,
  memberRemoveCommand,
  memberUpdateCommand,
  moveLeaderCommand,
  optionDescription,
  optionTerm,
  optionsCommand,
  putCommand,
  revokeCommand,
  roleAddCommand,
  roleDeleteCommand,
  roleGetCommand,
  roleGrantPermissionCommand,
  roleListCommand,
  roleRevokePermissionCommand,
  runAlarmDisarm,
  runAlarmList,
  runAuthDisable,
  runAuthEnable,
  runAuthStatus,
  runCheckDatascale,
  runCheckPerf,
  runCompaction,
  runCompletion,
  runDefrag,
  runDel,
  runDowngradeCancel,
  runDowngradeEnable,
  runDowngradeValidate,
  runElect,
  runGet,
  runGrant,
  runHashKv,
  runHealth,
  runKeepAlive,
  runLeaseList,
  runLock,
  runMakeMirror,
  runMemberAdd,
  runMemberList,
  runMemberPromote,
  runMemberRemove,
  runMemberUpdate,
  runMoveLeader,
  runOptions,
  runPut,
  runRevoke,
  runRoleAdd,
  runRoleDelete,
  runRoleGet,
  runRoleGrantPermission,
  runRoleList,
  runRoleRevokePermission,
  runSnapshotSave,
  runStatus,
  runTimeToLive,
  runTxn,
  runUserAdd,
  runUserDelete,
  runUserGet,
  runUserGrantRole,
  runUserList,
  runUserPasswd,
  runUserRevokeRole,
  runVersion,
  runWatch,
  snapshotSaveCommand,
  statusCommand,
  timeToLiveCommand,
  txnCommand,
  userAddCommand,
  userDeleteCommand,
  userGetCommand,
  userGrantRoleCommand,
  userListCommand,
  userPasswdCommand,
  userRevokeRoleCommand,
  versionCommand,
  watchCommand,
} from "./commands/index.js";
import {
  allArguments,
  type Arguments,
  booleanFlag,
  type ExitCode,
  exitCodes,
  Failure,
  forCommander,
  type Io,
  quote,
  refuseLostBytes,
  SilentFailure,
  splitArguments,
} from "./args/index.js";

const overview = `
Example:
  $ minietcdctl put greeting hello
  $ minietcdctl get greeting

Use "minietcdctl [command] --help" for more information about a command.
Use "minietcdctl options" for a list of global command-line options (applies to all commands).
Commands can be shortened to unambiguous prefixes. Without a command, --version prints what
"version" does.`;

/** The last line of the help of a command. */
const optionsHint = '\nUse "minietcdctl options" for a list of global command-line options (applies to all commands).';

/** Makes the program with all its commands. */
export function createProgram(io: Io): Command {
  const program = new Command("minietcdctl").description("Command line client for minietcd and etcd");
  for (const option of globalFlags()) program.addOption(option);
  const command = (create: () => Command, run: (command: Command, io: Io) => Promise<void>): Command => {
    const created = create();
    return created.allowExcessArguments().action(() => run(created, io));
  };
  const group = (name: string, description: string, ...commands: readonly Command[]): Command => {
    const created = new Command(name).description(description).helpCommand(false);
    for (const each of commands) created.addCommand(each);
    return created;
  };
  const keyValue = [
    command(getCommand, runGet),
    command(putCommand, runPut),
    command(delCommand, runDel),
    command(txnCommand, runTxn),
    command(compactionCommand, runCompaction),
    command(watchCommand, runWatch),
    group(
      "lease",
      "Grants, renews, lists and revokes leases",
      command(grantCommand, runGrant),
      command(revokeCommand, runRevoke),
      command(timeToLiveCommand, runTimeToLive),
      command(leaseListCommand, runLeaseList),
      command(keepAliveCommand, runKeepAlive),
    ),
  ];
  const maintenance = [
    group(
      "endpoint",
      "Prints the health, status or hash of each endpoint",
      command(healthCommand, runHealth),
      command(statusCommand, runStatus),
      command(hashKvCommand, runHashKv),
    ),
    group(
      "member",
      "Lists and changes the members of the cluster",
      command(memberListCommand, runMemberList),
      command(memberAddCommand, runMemberAdd),
      command(memberRemoveCommand, runMemberRemove),
      command(memberUpdateCommand, runMemberUpdate),
      command(memberPromoteCommand, runMemberPromote),
    ),
    group(
      "downgrade",
      "Checks, begins or cancels a downgrade of the cluster to the previous minor version",
      command(downgradeValidateCommand, runDowngradeValidate),
      command(downgradeEnableCommand, runDowngradeEnable),
      command(downgradeCancelCommand, runDowngradeCancel),
    ),
    group(
      "alarm",
      "Lists and deactivates the alarms of the members",
      command(alarmListCommand, runAlarmList),
      command(alarmDisarmCommand, runAlarmDisarm),
    ),
    group(
      "auth",
      "Enables or disables authentication",
      command(authEnableCommand, runAuthEnable),
      command(authDisableCommand, runAuthDisable),
      command(authStatusCommand, runAuthStatus),
    ),
    group(
      "user",
      "Lists and changes users, their passwords and roles",
      command(userAddCommand, runUserAdd),
      command(userDeleteCommand, runUserDelete),
      command(userGetCommand, runUserGet),
      command(userListCommand, runUserList),
      command(userPasswdCommand, runUserPasswd),
      command(userGrantRoleCommand, runUserGrantRole),
      command(userRevokeRoleCommand, runUserRevokeRole),
    ),
    group(
      "role",
      "Lists and changes roles and their permissions",
      command(roleAddCommand, runRoleAdd),
      command(roleDeleteCommand, runRoleDelete),
      command(roleGetCommand, runRoleGet),
      command(roleListCommand, runRoleList),
      command(roleGrantPermissionCommand, runRoleGrantPermission),
      command(roleRevokePermissionCommand, runRoleRevokePermission),
    ),
    group("snapshot", "Saves backups of etcd members", command(snapshotSaveCommand, runSnapshotSave)),
    command(defragCommand, runDefrag),
    command(moveLeaderCommand, runMoveLeader),
  ];
  const concurrency = [command(lockCommand, runLock), command(electCommand, runElect)];
  const utility = [
    group(
      "check",
      "Measures the speed and the memory use of a cluster",
      command(checkPerfCommand, runCheckPerf),
      command(checkDatascaleCommand, runCheckDatascale),
    ),
    command(completionCommand, runCompletion),
    command(makeMirrorCommand, runMakeMirror),
    command(optionsCommand, runOptions),
    command(versionCommand, runVersion),
  ];
  const groups = {
    "Key-value": keyValue,
    "Cluster maintenance": maintenance,
    Concurrency: concurrency,
    Utility: utility,
  };
  for (const [title, commands] of Object.entries(groups))
    for (const each of commands) program.addCommand(each.helpGroup(`${title} commands`));
  const withOutput = (each: Command): void => {
    each
      .configureOutput({ writeOut: io.print })
      .configureHelp({ sortSubcommands: true, optionTerm, optionDescription });
    if (each !== program) each.addHelpText("after", optionsHint);
    for (const child of each.commands) withOutput(child);
  };
  withOutput(program);
  program.configureHelp({ sortSubcommands: true, visibleOptions: () => [] }); // "options" lists them
  return program.helpCommand(false).addHelpText("after", overview);
}

const helpFlag = booleanFlag("-h, --help", "");
/** The flag `--version`, which is valid only without a command. */
const versionFlag = booleanFlag("--version", "");

/** Whether a boolean flag is given and true; the last of several counts. @throws Failure if its value is not a boolean */
function isGiven(flag: Option, { flags }: Arguments): boolean {
  const given = flags.filter(({ option }) => option === flag);
  return given.map(({ value }) => flag.parseArg?.<unknown>(value, undefined)).at(-1) === true;
}

/** Runs one command line. Every expected failure ends in a message and an exit code; other errors are thrown. */
export async function runProgram(given: readonly string[], io: Io): Promise<ExitCode> {
  const program = createProgram(io);
  try {
    refuseLostBytes(given);
    const { path, command, rest, help } = findCommand(program, given);
    const own = command === program ? [versionFlag] : command.options;
    const options = [...own, ...program.options, helpFlag];
    const args = splitArguments(options, rest, `Run '${titleOf(command)} --help' for usage.`);
    const isHelp = help || isGiven(helpFlag, args);
    if (!isHelp && isGiven(versionFlag, args)) {
      await runVersion(command, io);
      return exitCodes.success;
    }
    if (isHelp || command.commands.length > 0) {
      command.outputHelp();
      return exitCodes.success;
    }
    const words = command.name() === "watch" ? withDashes(args) : allArguments(args);
    const flags = args.flags.filter(({ option }) => option !== helpFlag);
    const line = [...path, ...forCommander({ flags }), "--", ...words];
    await program.parseAsync(line, { from: "user" });
    return exitCodes.success;
  } catch (error) {
    if (error instanceof SilentFailure) return error.exitCode;
    if (!(error instanceof Failure)) throw error;
    io.note(`Error: ${error.message}`);
    if (error.hint !== undefined) io.note(error.hint);
    return error.exitCode;
  }
}

/** Returns the arguments with `--` in its place: `watch` treats the words after it as a command. */
const withDashes = ({ positional, afterDashes }: Arguments): readonly string[] =>
  afterDashes === undefined ? positional : [...positional, "--", ...afterDashes];

const titleOf = (command: Command): string =>
  command.parent === null ? command.name() : `${titleOf(command.parent)} ${command.name()}`;

interface Found {
  /** The names of the command, as declared. */
  readonly path: readonly string[];
  readonly command: Command;
  /** The words after the name. */
  readonly rest: readonly string[];
  /** True if the help of the command is requested. */
  readonly help: boolean;
}

/** Finds the command: the first words that are not flags are its name. */
function findCommand(program: Command, words: readonly string[]): Found {
  const takesValue = valueFlagsOf(program);
  const path: string[] = [];
  const rest: string[] = [];
  let command = program;
  let help = false;
  for (let at = 0; at < words.length; at++) {
    const word = words[at] ?? "";
    if (word === "--" || (command !== program && command.commands.length === 0)) {
      rest.push(...words.slice(at));
      break;
    }
    if (word.startsWith("-")) {
      rest.push(word);
      const value = words[at + 1];
      if (takesValue.has(word) && value !== undefined) {
        rest.push(value);
        at++;
      }
    } else if (word === "") rest.push(word);
    else if (command === program && !help && "help".startsWith(word)) help = true;
    else {
      command = subcommandOf(command, word);
      path.push(command.name());
    }
  }
  return { path, command, rest, help };
}

/** Returns the flags of all commands that take a value. */
function valueFlagsOf(command: Command): Set<string> {
  const own = command.options.filter((option) => !option.optional).flatMap(({ short, long }) => [short, long]);
  const names = own.filter((name) => name !== undefined);
  return new Set([...names, ...command.commands.flatMap((child) => [...valueFlagsOf(child)])]);
}

/** Finds a subcommand by its name, or by a prefix that is unique. */
function subcommandOf(parent: Command, word: string): Command {
  const exact = parent.commands.filter((child) => child.name() === word);
  const candidates = exact.length > 0 ? exact : parent.commands.filter((child) => child.name().startsWith(word));
  const [found, ...others] = candidates;
  if (found === undefined || others.length > 0) {
    const names = candidates.map((child) => child.name());
    const meant = others.length > 0 ? ` It could be any of: ${names.sort().join(", ")}.` : "";
    throw new Failure(
      exitCodes.error,
      `unknown command ${quote(word)} for ${quote(titleOf(parent))}`,
      `Run '${titleOf(parent)} --help' for usage.${meant}`,
    );
  }
  return found;
}

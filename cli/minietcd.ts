#!/usr/bin/env node
// minietcd: one member of a cluster, with etcd's flags; `minietcd cluster` starts a local cluster of them, `minietcd verify`
// checks the files of a member that is stopped.

import type { CommandLine } from "../server/index.js";
import { loaded } from "./load.js";

// Not imported at the top: a process that may not even open these files must be able to say so.
const { Command, CommanderError } = await loaded(import("commander"));
const { FlagError, readCommandLine, serverVersion } = await loaded(import("../server/index.js"));
const { packageVersion } = await loaded(import("./version/index.js"));
const { addClusterCommand, addVerifyCommand, helpText, refuseFlags, runMember } = await loaded(
  import("./server/index.js"),
);

/** The output of `--version`: its first line is etcd's, so that scripts find the version of the API there. */
const versionText = (): string =>
  [
    `etcd Version: ${serverVersion}`,
    `minietcd Version: ${packageVersion()}`,
    `Node Version: ${process.version}`,
    `Node OS/Arch: ${process.platform}/${process.arch}`,
  ].join("\n");

/** The commands beside starting a member; their flags are commander's. */
const program = new Command("minietcd")
  .helpCommand(false)
  .exitOverride()
  .configureOutput({ outputError: () => undefined }); // written below, in etcd's words
addClusterCommand(program);
addVerifyCommand(program);

const args = process.argv.slice(2);
if (program.commands.some((command) => command.name() === args[0])) await runCommand();
else await startMember();

async function runCommand(): Promise<void> {
  try {
    await program.parseAsync(process.argv);
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) process.exit(0);
    process.stderr.write(`${inEtcdsWords(error)}\nSee 'minietcd ${args[0] ?? ""} --help'.\n`);
    process.exit(2);
  }
}

async function startMember(): Promise<void> {
  const commandLine = readArguments();
  switch (commandLine.kind) {
    case "help":
      process.stdout.write(helpText());
      return;
    case "version":
      process.stdout.write(`${versionText()}\n`);
      return;
    case "word":
      process.stderr.write(`"${commandLine.word}" is not a valid flag or command. See 'minietcd --help'.\n`);
      process.exit(1);
      break;
    case "flags":
      await runMember(commandLine.given);
  }
}

function readArguments(): CommandLine {
  try {
    return readCommandLine(args);
  } catch (error) {
    if (error instanceof FlagError) return refuseFlags(error);
    throw error;
  }
}

function inEtcdsWords(error: { readonly message: string; readonly code: string }): string {
  const flag = /'(?:.*, )?--?([^' =<[]+)/.exec(error.message)?.[1] ?? "";
  if (error.code === "commander.unknownOption") return `flag provided but not defined: -${flag}`;
  if (error.code === "commander.optionMissingArgument") return `flag needs an argument: -${flag}`;
  return error.message.replace(/^error: /, "");
}

#!/usr/bin/env node
// minietcd: one member of a cluster, with etcd's flags; `minietcd cluster` starts a local cluster, `minietcd verify` checks the
// files of a stopped member.

import type { CommandLine } from "../server/index.js";
import { enableCompileCache } from "./compile-cache.js";
import { whenLoaded } from "./load.js";

enableCompileCache();
// Imported here, not at the top: if the process may not open enough files for these modules, it must still print an error.
const { FlagError, readCommandLine, serverVersion } = await whenLoaded(import("../server/index.js"));
const { packageVersion } = await whenLoaded(import("./version/index.js"));
const { helpText, isCommand, loadCommands, refuseFlags, runMember } = await whenLoaded(import("./server/index.js"));

const args = process.argv.slice(2);
if (isCommand(args[0])) {
  const { runCommand } = await whenLoaded(loadCommands());
  await runCommand(args);
} else await startMember();

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

/** The output of `--version`: the first line has etcd's format, so that scripts find the version of the API in it. */
function versionText(): string {
  return [
    `etcd Version: ${serverVersion}`,
    `minietcd Version: ${packageVersion()}`,
    `Node Version: ${process.version}`,
    `Node OS/Arch: ${process.platform}/${process.arch}`,
  ].join("\n");
}

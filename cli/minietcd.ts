#!/usr/bin/env node
// minietcd: one member of a cluster, with etcd's flags; `minietcd cluster` starts a local cluster of them, `minietcd verify`
// checks the files of a member that is stopped.

import { loaded } from "./load.js";

// Not imported at the top: a process that may not even open these files must be able to say so.
const { Command, CommanderError } = await loaded(import("commander"));
const { serverVersion } = await loaded(import("../server/index.js"));
const { packageVersion } = await loaded(import("./package-version.js"));
const { addClusterCommand } = await loaded(import("./server/cluster.js"));
const { addServerFlags, runMember } = await loaded(import("./server/run-member.js"));
const { addVerifyCommand } = await loaded(import("./server/verify.js"));

/** As etcd prints it, so that scripts find the version of the API on the first line. */
const versionText = (): string =>
  [
    `etcd Version: ${serverVersion}`,
    `minietcd Version: ${packageVersion()}`,
    `Node Version: ${process.version}`,
    `Node OS/Arch: ${process.platform}/${process.arch}`,
  ].join("\n");

const program = new Command("minietcd");
addServerFlags(program)
  .description("an etcd in TypeScript: without a command, starts one member with etcd's own flags and ETCD_* variables")
  .version(versionText(), "--version", "print the version")
  .helpOption("-h, --help", "print this help")
  .addHelpText(
    "after",
    "\nExamples:\n" +
      "  minietcd cluster              three members on this machine\n" +
      "  minietcd --data-dir my.etcd   one member on 127.0.0.1:2379",
  )
  .allowExcessArguments()
  .enablePositionalOptions() // behind a command, `--data-dir` is that command's
  .exitOverride()
  .configureOutput({ outputError: () => undefined }) // written below, in etcd's words
  .action(async () => {
    const [extra] = program.args;
    if (extra !== undefined) {
      process.stderr.write(`"${extra}" is not a valid flag or command. See 'minietcd --help'.\n`);
      process.exit(1);
    }
    await runMember(program);
  });
addClusterCommand(program);
addVerifyCommand(program);

/** Go's flags take one dash or two: `-name` is `--name`. */
const withTwoDashes = (argument: string): string => (/^-[a-z][a-z-]+/.test(argument) ? `-${argument}` : argument);

try {
  await program.parseAsync([...process.argv.slice(0, 2), ...process.argv.slice(2).map(withTwoDashes)]);
} catch (error) {
  if (!(error instanceof CommanderError)) throw error;
  if (error.exitCode === 0) process.exit(0);
  process.stderr.write(`${inEtcdsWords(error)}\nSee 'minietcd --help'.\n`);
  process.exit(2);
}

function inEtcdsWords(error: { readonly message: string; readonly code: string }): string {
  const flag = /'(?:.*, )?--?([a-z-]+)/.exec(error.message)?.[1] ?? "";
  if (error.code === "commander.unknownOption") return `flag provided but not defined: -${flag}`;
  if (error.code === "commander.optionMissingArgument") return `flag needs an argument: -${flag}`;
  return error.message.replace(/^error: /, "");
}

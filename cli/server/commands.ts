// The commands other than starting a member, parsed by commander. Loaded only if one is used: a member starts without commander.

import { Command, CommanderError } from "commander";
import { addClusterCommand } from "./cluster.js";
import { addVerifyCommand } from "./verify.js";

/**
 * Runs a command: `cluster` or `verify`.
 *
 * @param words the command's name and its arguments
 */
export const runCommand = async (words: readonly string[]): Promise<void> => {
  const program = new Command("minietcd")
    .helpCommand(false)
    .exitOverride()
    .configureOutput({ outputError: () => undefined }); // errors are written below, in etcd's words
  addClusterCommand(program);
  addVerifyCommand(program);
  try {
    await program.parseAsync(words, { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) process.exit(0);
    process.stderr.write(`${etcdTextOf(error)}\nSee 'minietcd ${words[0] ?? ""} --help'.\n`);
    process.exit(2);
  }
};

const etcdTextOf = (error: CommanderError): string => {
  const flag = /'(?:.*, )?--?([^' =<[]+)/.exec(error.message)?.[1] ?? "";
  if (error.code === "commander.unknownOption") return `flag provided but not defined: -${flag}`;
  if (error.code === "commander.optionMissingArgument") return `flag needs an argument: -${flag}`;
  return error.message.replace(/^error: /, "");
};

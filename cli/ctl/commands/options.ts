// minietcdctl options
import { Command, type Option } from "commander";
import type { Io } from "../args/index.js";

/** Returns a flag as help shows it: without the optional value of a boolean flag, which is rarely given. */
export const optionTerm = ({ flags }: Option): string => flags.replace(" [bool]", "");

/** Returns the description of a flag, with its default. */
export const optionDescription = ({ description, defaultValueDescription: shown }: Option): string =>
  shown === undefined ? description : `${description} (default: ${shown})`;

/** Declares `options`, with its help. */
export const optionsCommand = (): Command =>
  new Command("options")
    .description("Lists the global options, which every command has")
    .addHelpText("after", "\nExample:\n  $ minietcdctl options");

/** Prints the global options, in the order of their names. */
export function runOptions(command: Command, io: Io): Promise<void> {
  const program = command.parent ?? command;
  const options = program.options.filter(({ hidden }) => !hidden).sort((a, b) => (a.name() < b.name() ? -1 : 1));
  const terms = options.map((option) => (option.short === undefined ? "    " : "") + optionTerm(option));
  const width = Math.max(...terms.map(({ length }) => length));
  const lines = options.map((option, at) => `  ${terms[at]?.padEnd(width)}   ${optionDescription(option)}\n`);
  io.print(`The following options can be passed to any command:\n\n${lines.join("")}
Each option is also an environment variable: --endpoints is ETCDCTL_ENDPOINTS, and so on.\n`);
  return Promise.resolve();
}

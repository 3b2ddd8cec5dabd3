// minietcdctl completion
import { Command } from "commander";
import { exitCodes, Failure, type Io, quote } from "../args/index.js";
import { completionScript, shells } from "./completion-scripts.js";

const examples = `
Examples:
  $ source <(minietcdctl completion bash)
  $ minietcdctl completion bash > /etc/bash_completion.d/minietcdctl
  $ minietcdctl completion zsh > "\${fpath[1]}/_minietcdctl"
  $ minietcdctl completion fish > ~/.config/fish/completions/minietcdctl.fish
  PS> minietcdctl completion powershell | Out-String | Invoke-Expression`;

/** Declares `completion`, with its help. */
export const completionCommand = (): Command =>
  new Command("completion")
    .description("Prints a shell script that completes commands and flags")
    .usage(`[options] <${shells.join("|")}>`)
    .addHelpText("after", examples);

/** Prints the completion script of a shell. @throws Failure with etcdctl's texts if the shell is unknown */
export function runCompletion(command: Command, io: Io): Promise<void> {
  const { args } = command;
  const [shell] = args;
  const refuse = (reason: string) => new Failure(exitCodes.error, reason);
  if (shell === undefined || args.length > 1) throw refuse(`accepts 1 arg(s), received ${args.length}`);
  const script = completionScript(shell, command.parent ?? command);
  if (script === undefined) throw refuse(`invalid argument ${quote(shell)} for "minietcdctl completion"`);
  io.print(script);
  return Promise.resolve();
}

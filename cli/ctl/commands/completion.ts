// minietcdctl completion
import { Command } from "commander";
import { exitCodes, Failure, type Io, quote } from "../args/index.js";

const examples = `
Examples:
  $ source <(minietcdctl completion bash)
  $ minietcdctl completion bash > /etc/bash_completion.d/minietcdctl`;

/** Declares `completion`, with its help. */
export const completionCommand = (): Command =>
  new Command("completion")
    .description("Prints a script that has bash complete commands and flags")
    .usage("[options] bash")
    .addHelpText("after", examples);

/** Prints the completion script of a shell. */
export function runCompletion(command: Command, io: Io): Promise<void> {
  const [shell, ...more] = command.args;
  if (shell === undefined || more.length > 0)
    throw new Failure(exitCodes.badArguments, "completion command needs the name of a shell");
  if (shell !== "bash") throw new Failure(exitCodes.badFeature, `shell ${quote(shell)} is not supported yet`);
  io.print(bashScript(command.parent ?? command));
  return Promise.resolve();
}

/** A command with the words that can follow it. */
interface Entry {
  /** The names of the command, each after a space; empty for the program. */
  readonly path: string;
  readonly commands: readonly string[];
  readonly flags: readonly string[];
}

function entriesOf(command: Command, path: string, inherited: readonly string[]): Entry[] {
  const own = command.options.map(({ long }) => long).filter((name) => name !== undefined);
  const flags = [...own, ...inherited];
  const children = command.commands.flatMap((child) => entriesOf(child, `${path} ${child.name()}`, flags));
  return [{ path, commands: command.commands.map((child) => child.name()), flags }, ...children];
}

/** Returns a script whose function finds the command among the words before the cursor, and offers what can follow it. */
export function bashScript(program: Command): string {
  const name = program.name();
  const entries = entriesOf(program, "", ["--help"]);
  const paths = entries.filter(({ path }) => path !== "").map(({ path }) => `'${path}'`);
  const cases = entries.map(
    ({ path, commands, flags }) => `    '${path}') commands='${commands.join(" ")}' flags='${flags.join(" ")}' ;;`,
  );
  return `# Completion of ${name} for bash.
_${name}() {
  local word path='' commands='' flags='' current="\${COMP_WORDS[COMP_CWORD]}"
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$path $word" in
    ${paths.join(" | ")}) path="$path $word" ;;
    esac
  done
  case "$path" in
${cases.join("\n")}
  esac
  if [[ $current == -* ]]; then commands=$flags; fi
  mapfile -t COMPREPLY < <(compgen -W "$commands" -- "$current")
}
complete -o default -F _${name} ${name}
`;
}

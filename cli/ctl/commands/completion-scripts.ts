// Scripts that make shells complete the commands and flags of a program. Each script has a table of all commands, looks up the
// words before the cursor in it, and offers the words that can follow.
import type { Command } from "commander";

/** A command with the words that can follow it. */
interface CompletionEntry {
  /** The names of the command, each after a space; empty for the program. */
  readonly path: string;
  /** The subcommands, and other fixed words that can follow. */
  readonly commands: readonly string[];
  readonly flags: readonly string[];
}

/** The program, and the table of its commands. */
interface Completed {
  readonly name: string;
  readonly entries: readonly CompletionEntry[];
  /** All paths except the program's own. */
  readonly paths: readonly string[];
}

function entriesOf(command: Command, path: string, inherited: readonly string[]): CompletionEntry[] {
  const own = command.options.map(({ long }) => long).filter((name) => name !== undefined);
  const flags = [...own, ...inherited];
  const children = command.commands.flatMap((child) => entriesOf(child, `${path} ${child.name()}`, flags));
  return [{ path, commands: command.commands.map((child) => child.name()), flags }, ...children];
}

const bash = ({ name, entries, paths }: Completed): string => {
  const cases = entries.map(
    ({ path, commands, flags }) => `    '${path}') commands='${commands.join(" ")}' flags='${flags.join(" ")}' ;;`,
  );
  return `# Completion of ${name} for bash.
_${name}() {
  local word path='' commands='' flags='' current="\${COMP_WORDS[COMP_CWORD]}"
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$path $word" in
    ${paths.map((path) => `'${path}'`).join(" | ")}) path="$path $word" ;;
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
};

const zsh = ({ name, entries, paths }: Completed): string => {
  const cases = entries.map(
    ({ path, commands, flags }) => `    '${path}') commands=(${commands.join(" ")}) flags=(${flags.join(" ")}) ;;`,
  );
  return `#compdef ${name}
# Completion of ${name} for zsh.
_${name}() {
  local word found='' current="\${words[CURRENT]}"
  local -a commands flags
  for word in "\${(@)words[2,CURRENT-1]}"; do
    case "$found $word" in
    (${paths.map((path) => `'${path}'`).join("|")}) found="$found $word" ;;
    esac
  done
  case "$found" in
${cases.join("\n")}
  esac
  if [[ $current == -* ]]; then
    compadd -- $flags
  elif (( $#commands > 0 )); then
    compadd -- $commands
  else
    _files
  fi
}
if [[ "\${funcstack[1]}" == _${name} ]]; then _${name} "$@"; else compdef _${name} ${name}; fi
`;
};

const fish = ({ name, entries, paths }: Completed): string => {
  const cases = entries.map(
    ({ path, commands, flags }) =>
      `    case '${path}'\n      set commands ${commands.join(" ")}\n      set flags ${flags.join(" ")}`,
  );
  return `# Completion of ${name} for fish.
function __${name}_words
  set -l words (commandline -opc) # without the word at the cursor
  set -l found ''
  for word in $words[2..-1]
    switch "$found $word"
    case ${paths.map((path) => `'${path}'`).join(" ")}
      set found "$found $word"
    end
  end
  set -l commands
  set -l flags
  switch "$found"
${cases.join("\n")}
  end
  if string match -q -- '-*' (commandline -ct)
    set commands $flags
  end
  test (count $commands) -gt 0; and printf '%s\\n' $commands
end
complete -c ${name} -n '__${name}_words > /dev/null' -f -a '(__${name}_words)'
`;
};

const powershell = ({ name, entries }: Completed): string => {
  const list = (words: readonly string[]) => `@(${words.map((word) => `'${word}'`).join(", ")})`;
  const rows = entries.map(
    ({ path, commands, flags }) => `    '${path}' = @{ commands = ${list(commands)}; flags = ${list(flags)} }`,
  );
  return `# Completion of ${name} for PowerShell.
Register-ArgumentCompleter -Native -CommandName '${name}' -ScriptBlock {
  param($wordToComplete, $commandAst, $cursorPosition)
  $table = @{
${rows.join("\n")}
  }
  $found = ''
  foreach ($element in $commandAst.CommandElements | Select-Object -Skip 1) {
    if ($element.Extent.EndOffset -ge $cursorPosition) { break }
    if ($table.ContainsKey("$found $element")) { $found = "$found $element" }
  }
  $offered = if ($wordToComplete -like '-*') { $table[$found].flags } else { $table[$found].commands }
  $offered | Where-Object { $_ -like "$wordToComplete*" } | ForEach-Object {
    if ($ExecutionContext.SessionState.LanguageMode -eq 'FullLanguage') {
      [System.Management.Automation.CompletionResult]::new($_, $_, 'ParameterValue', $_)
    } else { $_ } # constrained language: no methods of this class
  }
}
`;
};

const scripts = { bash, zsh, fish, powershell } as const;

/** Names of the shells with a script. */
export const shells: readonly string[] = Object.keys(scripts);

/** Words that can follow a path and are not declared as commands. */
const otherWords: Readonly<Record<string, readonly string[]>> = { "": ["help"], " completion": shells };

/** Returns the script for a shell; undefined if the shell is unknown. */
export function completionScript(shell: string, program: Command): string | undefined {
  if (!Object.hasOwn(scripts, shell)) return undefined;
  const entries = entriesOf(program, "", ["--help"]).map((entry) => ({
    ...entry,
    commands: [...entry.commands, ...(otherWords[entry.path] ?? [])],
  }));
  const paths = entries.map(({ path }) => path).filter((path) => path !== "");
  return scripts[shell as keyof typeof scripts]({ name: program.name(), entries, paths });
}

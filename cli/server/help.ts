import { flagGroups, type Flag, type FlagGroup } from "../../server/index.js";

const usage = `Usage:
  minietcd [flags]     start one member
  minietcd cluster     start a local cluster of three members ('minietcd cluster --help')
  minietcd verify      check the files of a stopped member ('minietcd verify --help')
  minietcd --version   print the version
  minietcd --help      print this help

An etcd in TypeScript. Flags are etcd's, with one dash or two. Each flag is also a variable: --max-txn-ops is ETCD_MAX_TXN_OPS.
Setting both a flag and its variable is an error. With --config-file, all other flags and variables are ignored.

Examples:
  minietcd cluster              three members on this machine
  minietcd --data-dir my.etcd   one member on 127.0.0.1:2379
`;

/**
 * The help of `minietcd`: the flags that work, with their defaults, then the names of flags that are accepted without effect or
 * refused.
 */
export const helpText = (): string => [usage, ...flagGroups.map(groupText)].join("\n");

const groupText = ({ title, flags }: FlagGroup): string => {
  const rows = flags.filter((flag) => flag.effect.kind === "works").map(rowOf);
  const namesOf = (kind: Flag["effect"]["kind"]): string[] =>
    flags.filter(({ effect }) => effect.kind === kind).map(({ name }) => `--${name}`);
  return [
    `${title}:`,
    ...rows,
    ...listOf("Accepted without effect (a warning gives the reason):", namesOf("no-effect")),
    ...listOf("Refused (the error gives the reason):", namesOf("refused")),
    ...listOf("Old names:", namesOf("same-as")),
    "",
  ].join("\n");
};

const textColumn = 44;

const rowOf = ({ name, kind, fallback, effect }: Flag): string => {
  const head = `  --${name} <${typeof kind === "object" ? kind.oneOf.join("|") : kind}>`;
  const text = effect.kind === "works" ? effect.text : "";
  const line = fallback === "" ? text : `${text} (default: ${fallback})`;
  return head.length + 2 > textColumn ? `${head}\n${" ".repeat(textColumn)}${line}` : head.padEnd(textColumn) + line;
};

const lineWidth = 118;

const listOf = (title: string, names: readonly string[]): string[] => {
  if (names.length === 0) return [];
  const lines = [`  ${title}`];
  let line = "   ";
  for (const name of names) {
    if (line.length + name.length + 1 > lineWidth) {
      lines.push(line);
      line = "   ";
    }
    line += ` ${name}`;
  }
  return [...lines, line];
};

// docs/flags.md, written from the table of flags.

import { variableOf, type Flag, type FlagGroup } from "../../server/config/flag.js";
import { flagGroups } from "../../server/config/flag-table.js";

const introduction = `# Flags

Every flag of etcd 3.4 to 3.7, what a member does with it, and the flags that etcd does not have. This file is written from \`server/config/flag-table.ts\`
(\`UPDATE_DOCS=1 node test/run.js process docs/flags\`).

A flag takes one dash or two, its value behind \`=\` or in the next word; switches (bool) take a value only behind \`=\`. Each flag
is also a variable, named beside it; a flag and its variable together are refused. \`--config-file\` names a YAML file whose keys are
the names of flags, with values of YAML's types (durations in nanoseconds, as in etcd); all other flags and variables are ignored
then, and keys that nobody knows are warned of. TLS has its sections there, \`client-transport-security\` and
\`peer-transport-security\`.

- **works**: the member follows it.
- **no effect**: accepted, with one line of warning that says why; without, if the value is etcd's default or says what the
  member does anyway.
- **refused**: the member does not start (exit code 1), whether it is asked for by flag, variable or file: a user relies on
  it. etcd's default, which asks for nothing, is accepted.

A value that cannot be read ends the start with etcd's text: exit code 2 for a flag, 1 for a variable or a file. The same for an
unknown flag, \`flag provided but not defined\`; an unknown \`ETCD_*\` variable is warned of.
`;

export const flagsDocument = (): string => [introduction, ...flagGroups.map(section)].join("\n");

const section = ({ title, flags }: FlagGroup): string =>
  [
    `## ${title}`,
    "",
    "| flag | variable | kind | default | what happens |",
    "| --- | --- | --- | --- | --- |",
    ...flags.map(row),
    "",
  ].join("\n");

const row = (flag: Flag): string => {
  const { name, kind, fallback } = flag;
  const kindText = typeof kind === "object" ? kind.oneOf.join(", ") : kind;
  const cells = [`\`--${name}\``, `\`${variableOf(name)}\``, kindText, fallback && `\`${fallback}\``, effectOf(flag)];
  return `| ${cells.join(" | ")} |`;
};

const effectOf = ({ effect, until, harmless = [] }: Flag): string => {
  const suffix = until === undefined ? "" : ` (etcd up to ${until})`;
  const values = harmless.filter((value) => value !== "").map((value) => `\`${value}\``);
  const silent = values.length === 0 ? "" : `; ${values.join(" and ")}: the same, nothing to say`;
  switch (effect.kind) {
    case "works":
      return `works: ${effect.text}${suffix}`;
    case "no-effect":
      return `no effect${effect.why === "" ? "" : `: ${effect.why}`}${silent}${suffix}`;
    case "refused":
      return `refused: ${effect.why}${silent}${suffix}`;
    case "same-as":
      return `old name of \`--${effect.flag}\`${suffix}`;
  }
};

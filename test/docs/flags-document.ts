// Generates docs/flags.md from the table of flags.

import { variableOf, type Flag, type FlagGroup } from "../../server/config/flag.js";
import { flagGroups } from "../../server/config/flag-table.js";

const introduction = `# Flags

This page lists every flag of etcd 3.4 to 3.7 with its effect in minietcd, and the flags that etcd does not have. It is generated from
\`server/config/flag-table.ts\` (\`UPDATE_DOCS=1 node test/run.js process docs/flags\`).

A flag begins with one dash or two; its value follows \`=\` or is the next argument. Switches (bool) take a value only after \`=\`. Each flag
is also a variable, named in the second column; setting both is an error. \`--config-file\` names a YAML file whose keys are
the names of flags, with values of YAML's types (durations in nanoseconds, as in etcd). With it, all other flags and variables are ignored,
and unknown keys cause a warning. TLS flags belong in its sections \`client-transport-security\` and \`peer-transport-security\`.

- **works**: the flag has etcd's effect.
- **no effect**: accepted, with a warning that gives the reason. There is no warning if the value is etcd's default or describes what
  the member does anyway.
- **refused**: the member does not start (exit code 1) if the flag, variable or key is set, because a user who sets it relies on it.
  etcd's default, which requests nothing, is accepted.

An invalid value ends the start with etcd's text: exit code 2 for a flag, 1 for a variable or a file. An
unknown flag does the same, with \`flag provided but not defined\`; an unknown \`ETCD_*\` variable causes a warning.
`;

export const flagsDocument = (): string => [introduction, ...flagGroups.map(section)].join("\n");

const section = ({ title, flags }: FlagGroup): string =>
  [
    `## ${title}`,
    "",
    "| flag | variable | kind | default | effect |",
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
  const silent = values.length === 0 ? "" : `; ${values.join(" and ")}: accepted without a warning`;
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

import { StartError } from "../base/index.js";
import { variableOf } from "./flag.js";
import type { GivenFlag } from "./settings.js";
import { allFlags } from "./flag-table.js";

/** Variables that etcd itself reads elsewhere or that its images set; they are no flags. */
const otherVariables = ["ETCD_UNSUPPORTED_ARCH", "ETCD_VERIFY", "ETCD_VERSION"];

export interface EnvironmentFlags {
  readonly given: readonly GivenFlag[];
  /** Variables that look like etcd's but are no flag. */
  readonly unknown: readonly string[];
}

/**
 * Reads the ETCD_* variables of flags; empty ones count as not set.
 *
 * @throws StartError if a flag was given on the command line, too: etcd refuses to choose
 */
export const readEnvironment = (
  environment: Readonly<NodeJS.ProcessEnv>,
  commandLine: readonly GivenFlag[],
): EnvironmentFlags => {
  const shadowing = new Set(commandLine.map(({ flag }) => flag.name));
  const known = new Set(otherVariables);
  const given: GivenFlag[] = [];
  for (const flag of allFlags) {
    const variable = variableOf(flag.name);
    known.add(variable);
    const text = environment[variable];
    if (text === undefined || text === "") continue;
    if (shadowing.has(flag.name))
      throw new StartError(
        `conflicting environment variable "${variable}" is shadowed by corresponding command-line flag ` +
          "(either unset environment variable or disable flag)",
      );
    given.push({ flag, text, source: { kind: "variable", variable } });
  }
  const unknown = Object.keys(environment).filter((name) => name.startsWith("ETCD_") && !known.has(name));
  return { given, unknown };
};

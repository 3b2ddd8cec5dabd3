import { StartError } from "../base/index.js";
import { variableOf } from "./flag.js";
import type { GivenFlag } from "./settings.js";
import { allFlags } from "./flag-table.js";

/** Variables of etcd that are no flags: etcd reads them elsewhere, or its images set them. */
const otherVariables = ["ETCD_UNSUPPORTED_ARCH", "ETCD_VERIFY", "ETCD_VERSION"];

/** The flags of the environment variables. */
export interface EnvironmentFlags {
  readonly given: readonly GivenFlag[];
  /** Variables with etcd's prefix that are no flag. */
  readonly unknown: readonly string[];
}

/**
 * Returns the ETCD_* variables of flags; an empty one counts as not set.
 *
 * @throws StartError if a flag was given on the command line, too, as in etcd
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

import type { Command } from "commander";

/** `--listen-client-urls` is also ETCD_LISTEN_CLIENT_URLS. */
const variableOf = (flag: string): string => `ETCD_${flag.toUpperCase().replaceAll("-", "_")}`;

/** Variables that etcd itself reads elsewhere or that its images set; they are no flags. */
const otherVariables = new Set(["ETCD_UNSUPPORTED_ARCH", "ETCD_VERIFY", "ETCD_VERSION"]);

/** A flag and its variable were both given: etcd refuses to choose. */
export class ShadowedVariableError extends Error {
  override readonly name = "ShadowedVariableError";
  constructor(variable: string) {
    super(
      `conflicting environment variable "${variable}" is shadowed by corresponding command-line flag ` +
        "(either unset environment variable or disable flag)",
    );
  }
}

/**
 * Fills in the flags that were not given from their ETCD_* variables.
 *
 * @returns variables that look like etcd's but are no flag of this program
 * @throws ShadowedVariableError
 */
export const applyEnvironment = (command: Command, environment: Readonly<NodeJS.ProcessEnv>): string[] => {
  const known = new Set(otherVariables);
  for (const option of command.options) {
    if (option.long === undefined) continue;
    const variable = variableOf(option.long.slice(2));
    known.add(variable);
    const value = environment[variable];
    if (value === undefined || value === "") continue;
    const name = option.attributeName();
    if (command.getOptionValueSource(name) === "cli") throw new ShadowedVariableError(variable);
    command.setOptionValueWithSource(name, value, "env");
  }
  return Object.keys(environment).filter((variable) => variable.startsWith("ETCD_") && !known.has(variable));
};

import type { ServerFlags } from "./config.js";
import { readConfigFile } from "./config-file.js";
import { readEnvironment } from "./environment.js";
import { variableOf } from "./flag.js";
import { nearestFlag } from "./nearest-flag.js";
import { configFileFlag, readValue, settingsFrom, type GivenFlag } from "./settings.js";

/** The flags of a member, and the warnings about them for its log. */
export interface MemberSettings {
  readonly flags: ServerFlags;
  /** The file with the settings, if there is one. */
  readonly configFile: string | undefined;
  /** A line for each flag without effect, or given by an old name. */
  readonly warnings: readonly string[];
  readonly unknownVariables: readonly UnknownName[];
  /** Keys of the file that are no flag. */
  readonly unknownKeys: readonly UnknownName[];
}

/** A name that is no flag, and has no effect. */
export interface UnknownName {
  readonly name: string;
  /** The known name that is most similar. */
  readonly didYouMean: string | undefined;
}

/**
 * Reads the settings from the configuration file, if there is one; otherwise from the command line and the variables.
 *
 * @throws FlagError, StartError
 */
export const readSettings = (
  commandLine: readonly GivenFlag[],
  environment: Readonly<NodeJS.ProcessEnv>,
): MemberSettings => {
  commandLine.forEach(readValue); // also the flags that a file overrides
  const named = commandLine.findLast(({ flag }) => flag.name === configFileFlag)?.text;
  const configFile = named === undefined || named === "" ? environment[variableOf(configFileFlag)] : named;
  if (configFile !== undefined && configFile !== "") {
    const { given, unknown } = readConfigFile(configFile);
    return { ...settingsFrom(given), configFile, unknownVariables: [], unknownKeys: unknown.map(unknownKey) };
  }
  const { given, unknown } = readEnvironment(environment, commandLine);
  const settings = settingsFrom([...commandLine, ...given]);
  return { ...settings, configFile: undefined, unknownVariables: unknown.map(unknownVariable), unknownKeys: [] };
};

const unknownVariable = (name: string): UnknownName => {
  const nearest = nearestFlag(
    name
      .replace(/^ETCD_/, "")
      .toLowerCase()
      .replaceAll("_", "-"),
  );
  return { name, didYouMean: nearest && variableOf(nearest) };
};

const unknownKey = (name: string): UnknownName => ({ name, didYouMean: nearestFlag(name.toLowerCase()) });

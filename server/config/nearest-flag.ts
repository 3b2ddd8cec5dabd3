import { allFlags } from "./flag-table.js";
import { nearestName } from "./nearest-name.js";

/** Returns the name of the flag that may be meant by a name that is none: of those that are not outdated. */
export const nearestFlag = (name: string): string | undefined => {
  const current = allFlags.filter(({ until, kind }) => until === undefined && kind !== "any");
  return nearestName(
    name,
    current.map((flag) => flag.name),
  );
};

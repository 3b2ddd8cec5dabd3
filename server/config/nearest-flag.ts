import { allFlags } from "./flag-table.js";
import { nearestName } from "./nearest-name.js";

/** Returns the current flag with the most similar name, if any is similar. */
export const nearestFlag = (name: string): string | undefined => {
  const current = allFlags.filter(({ until, kind }) => until === undefined && kind !== "any");
  return nearestName(
    name,
    current.map((flag) => flag.name),
  );
};

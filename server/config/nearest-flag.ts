import { allFlags } from "./flag-table.js";
import { nearestName } from "./nearest-name.js";

/** Returns the nearest current flag to an unknown name. */
export const nearestFlag = (name: string): string | undefined => {
  const current = allFlags.filter(({ until, kind }) => until === undefined && kind !== "any");
  return nearestName(
    name,
    current.map((flag) => flag.name),
  );
};

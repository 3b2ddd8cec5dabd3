// The source files of the product, and their imports of one another.

import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import ts from "typescript";
import { rooms } from "./rooms.js";

/** Top-level folders that have rooms. */
const tops = [...new Set(Object.keys(rooms).map((room) => room.split("/")[0]!))];

/** Source files of all rooms, as paths from the repository's root. */
export const sources: readonly string[] = tops.flatMap((top) =>
  readdirSync(top, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .map((name) => path.posix.join(top, name.split(path.sep).join("/"))),
);

/** Source files that are written by hand and published. */
export const productSources: readonly string[] = sources.filter((file) => !file.startsWith("proto/"));

/** Files that a source file imports or exports from, as paths from the repository's root. */
export const importsOf = (file: string): string[] =>
  ts
    .preProcessFile(readFileSync(file, "utf8"), true, false)
    .importedFiles.map(({ fileName }) => fileName)
    .filter((name) => name.startsWith("."))
    .map((name) => path.posix.join(path.posix.dirname(file), name).replace(/\.js$/, ".ts"));

/**
 * Finds the groups of files that import one another in a circle: the strongly connected components with more than one file,
 * and files that import themselves.
 *
 * @param imports files that each file imports
 * @see Tarjan, "Depth-first search and linear graph algorithms" (1972)
 */
export const cyclesOf = (imports: ReadonlyMap<string, readonly string[]>): string[][] => {
  const order = new Map<string, number>();
  const lowest = new Map<string, number>();
  const open: string[] = [];
  const cycles: string[][] = [];
  const visit = (file: string): void => {
    order.set(file, order.size);
    lowest.set(file, order.get(file)!);
    open.push(file);
    for (const next of imports.get(file) ?? []) {
      if (!order.has(next)) visit(next);
      if (open.includes(next)) lowest.set(file, Math.min(lowest.get(file)!, lowest.get(next)!));
    }
    if (lowest.get(file) !== order.get(file)) return;
    const component = open.splice(open.indexOf(file));
    if (component.length > 1 || imports.get(file)?.includes(file) === true) cycles.push(component);
  };
  for (const file of imports.keys()) if (!order.has(file)) visit(file);
  return cycles;
};

// Measures the product's source.

import { existsSync } from "node:fs";
import path from "node:path";
import ts from "typescript";
import { callbackMembers, exportedNamesOf, openersIn, wideBagsOf, type Place } from "./counts.js";
import type { Measured } from "./limits.js";
import { rooms } from "./rooms.js";
import { cyclesOf, importsOf, productSources, sources } from "./sources.js";

export interface Measurement {
  readonly value: number;
  /** Places that make up the value, or that keep it from being better. */
  readonly places: readonly Place[];
}

const countOf = (places: readonly Place[]): Measurement => ({ value: places.length, places });

const program = (): ts.Program => {
  const { options } = ts.parseJsonConfigFileContent(
    ts.readConfigFile("tsconfig.json", (path) => ts.sys.readFile(path)).config,
    { ...ts.sys, readDirectory: () => [] },
    ".",
  );
  return ts.createProgram([...productSources], options);
};

/** Returns the rooms without an `index.ts`. */
const roomsWithoutDoor = (): Place[] =>
  [...new Set(Object.values(rooms).flat())].filter((room) => !existsSync(`${room}/index.ts`));

/** Leaves out the simulations, whose hosts give a member functions in place of its disk and network, and report all its steps. */
const ofMembers = (files: readonly ts.SourceFile[]): ts.SourceFile[] =>
  files.filter(({ fileName }) => !path.relative("", fileName).startsWith(`testing${path.sep}`));

/** Measures everything for which limits.ts has a limit. */
export const measure = (): Record<Measured, Measurement> => {
  const compiled = program();
  const checker = compiled.getTypeChecker();
  const files = productSources.map((path) => compiled.getSourceFile(path)!);
  const names = files.map(exportedNamesOf);
  const all = names.flatMap((own) => own.all).length;
  const undocumented = names.flatMap((own) => own.undocumented);
  const comments = files.map(openersIn);
  return {
    cycles: countOf(cyclesOf(new Map(sources.map((file) => [file, importsOf(file)]))).map((files) => files.join(", "))),
    doorless: countOf(roomsWithoutDoor()),
    callbacks: countOf(callbackMembers(ofMembers(files), checker)),
    wideBags: countOf(files.flatMap((file) => wideBagsOf(file, checker))),
    documented: { value: Math.floor((1_000 * (all - undocumented.length)) / all) / 10, places: undocumented },
    riddles: countOf(comments.flatMap(({ riddles }) => riddles)),
    pronouns: countOf(comments.flatMap(({ pronouns }) => pronouns)),
    prepositions: countOf(comments.flatMap(({ prepositions }) => prepositions)),
  };
};

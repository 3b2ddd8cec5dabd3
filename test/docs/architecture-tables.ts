// The tables of files and functions in docs/architecture.md.

import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";

/** A row of a table: a file with some of its functions, and what happens there. */
export interface FileRow {
  readonly file: string;
  readonly functions: readonly string[];
  /** The files that the last column names, as paths from the repository's root. A name without a folder is beside `file`. */
  readonly furtherFiles: readonly string[];
}

/** Reads the rows of one section, or of the whole document. */
export const fileRows = (section?: string): readonly FileRow[] => {
  const text = readFileSync("docs/architecture.md", "utf8");
  const part = section === undefined ? text : (text.split(`## ${section}\n`)[1]?.split("\n## ")[0] ?? "");
  return [...part.matchAll(/^\| `([\w/-]+\.ts)` \| ([^|]*) \| ([^|]*) \|$/gm)].map(
    ([, file = "", functions = "", contents = ""]) => ({
      file,
      functions: [...functions.matchAll(/`(\w+)(?:\(\))?`/g)].map(([, name = ""]) => name),
      furtherFiles: [...contents.matchAll(/`([\w/-]+\.ts)`/g)].map(([, name = ""]) =>
        name.includes("/") ? name : join(dirname(file), name),
      ),
    }),
  );
};

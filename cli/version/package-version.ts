import { readFileSync } from "node:fs";

/** Reads the version in our package.json: two folders up from the source, three from dist. @throws Error if there is none */
export function packageVersion(): string {
  for (const path of ["../../package.json", "../../../package.json"]) {
    try {
      const manifest = JSON.parse(readFileSync(new URL(path, import.meta.url), "utf8")) as { version: string };
      return manifest.version;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
  }
  throw new Error("Cannot find out the version: package.json is missing");
}

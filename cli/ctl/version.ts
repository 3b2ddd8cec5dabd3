// minietcdctl version
import { readFileSync } from "node:fs";
import { Command } from "commander";
import type { Io } from "./io.js";

/** The API that minietcd's servers speak: etcd's of this version. */
const apiVersion = "3.6";

export const versionCommand = (): Command =>
  new Command("version")
    .description("Prints the version of minietcdctl, and that of etcd's API it speaks")
    .addHelpText("after", "\nExample:\n  $ minietcdctl version");

export function runVersion(_: Command, io: Io): Promise<void> {
  io.print(`minietcdctl version: ${packageVersion()}\nAPI version: ${apiVersion}\n`);
  return Promise.resolve();
}

/** From our package.json: two folders up from the source, three from dist. */
function packageVersion(): string {
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

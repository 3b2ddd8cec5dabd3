// minietcdctl version
import { Command } from "commander";
import { packageVersion } from "../../version/index.js";
import type { Io } from "../args/index.js";

/** The version of etcd whose API minietcd's servers implement. */
const apiVersion = "3.7";

/** Declares `version`, with its help. */
export const versionCommand = (): Command =>
  new Command("version")
    .description("Prints the version of minietcdctl, and the version of etcd's API that it uses")
    .addHelpText("after", "\nExample:\n  $ minietcdctl version");

/** Prints the version of this program and of the API. */
export function runVersion(_: Command, io: Io): Promise<void> {
  io.print(`minietcdctl version: ${packageVersion()}\nAPI version: ${apiVersion}\n`);
  return Promise.resolve();
}

import { tmpdir } from "node:os";
import type { Command } from "commander";
import { errorText, verifyDataDirectory, type Finding } from "../../server/index.js";

interface VerifyFlags {
  readonly dataDir: string;
}

/** Exit code: the files are damaged. */
const exitWrong = 1;
/** Exit code: the files could not be checked. */
const exitNotChecked = 2;

/** `minietcd verify`: reports damage of a stopped member's files, and remedies. */
export const addVerifyCommand = (program: Command): void => {
  program
    .command("verify")
    .description("check all files of a stopped member and report damage, its location and remedies; changes nothing")
    .allowExcessArguments(false)
    .requiredOption("--data-dir <path>", "the member's data directory")
    .addHelpText(
      "after",
      "\nExample:\n  minietcd verify --data-dir data/m2\n" +
        "\nExit code 0: no damage; 1: damage; 2: the check was not possible." +
        "\nThe store is read from a copy in the folder for temporary files (TMPDIR).",
    )
    .action(async ({ dataDir }: VerifyFlags) => {
      process.exitCode = await verify(dataDir);
    });
};

const verify = async (dataDir: string): Promise<number> => {
  try {
    const findings = await verifyDataDirectory({ dataDir, temporary: tmpdir() });
    for (const finding of findings) process.stdout.write(`${lineOf(finding)}\n`);
    return findings.every(({ advice }) => advice === undefined) ? 0 : exitWrong;
  } catch (error) {
    process.stderr.write(`cannot check ${dataDir}: ${errorText(error)}\n`);
    return exitNotChecked;
  }
};

const lineOf = ({ part, text, advice }: Finding): string =>
  advice === undefined ? `ok     ${part}: ${text}` : `WRONG  ${part}: ${text}; what can be done: ${advice}`;

import { openSync, writeSync } from "node:fs";
import { StartError } from "../../server/index.js";
import { writeLogLine } from "./log-output.js";

/**
 * Opens what `--log-outputs` names: `stderr`, `stdout`, or files, which are appended to.
 *
 * @returns a function that writes a line to all of them
 * @throws StartError in etcd's words for a file that cannot be opened
 */
export const openLogOutputs = (outputs: readonly string[]): ((line: string) => void) => {
  const writers = outputs.map(writerOf);
  return (line) => writers.forEach((write) => write(line));
};

const writerOf = (output: string): ((line: string) => void) => {
  if (output === "stderr") return writeLogLine;
  if (output === "stdout") return (line) => void process.stdout.write(line);
  const file = openFile(output);
  return (line) => {
    try {
      writeSync(file, line);
    } catch {
      // As with standard error, a member goes on when nobody can take its log: its disk may be full.
    }
  };
};

const openFile = (path: string): number => {
  try {
    return openSync(path, "a", 0o644);
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).message.replace(/^\w+: ([^,]+),.*$/s, "$1");
    throw new StartError(`open sink "${path}": open ${path}: ${reason}`);
  }
};

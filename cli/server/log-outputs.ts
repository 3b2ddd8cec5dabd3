import { openSync, writeSync } from "node:fs";
import { StartError } from "../../server/index.js";
import { writeLogLine } from "./log-output.js";

/**
 * Opens the outputs of `--log-outputs`: `stderr`, `stdout`, or files, to which lines are appended.
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
      // a member continues if its log cannot be written, as with standard error: the disk may be full
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

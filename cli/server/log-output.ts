import { fstatSync, writeSync } from "node:fs";

const standardError = 2;

const isFile = (): boolean => {
  try {
    return fstatSync(standardError).isFile();
  } catch {
    return false;
  }
};

const writesToFile = isFile();

// The reader of the lines may have closed the pipe; the member continues.
process.stderr.on("error", () => undefined);

/**
 * Writes a line to standard error. A line that cannot be written is lost, and the member continues: the log may be on the same
 * full disk as the data. A Node stream is unsuitable for a file: it ends at its first error.
 */
export const writeLogLine = (line: string): void => {
  if (!writesToFile) {
    process.stderr.write(line);
    return;
  }
  try {
    writeSync(standardError, line);
  } catch {
    // ENOSPC, EDQUOT, EIO: there is no place to report the error.
  }
};

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

// The reader of the lines may be gone; the member goes on.
process.stderr.on("error", () => undefined);

/**
 * Writes a line to standard error. A line that cannot be written is lost, and nothing else: on a disk that is full, where the
 * log may lie beside the data, the member goes on. A stream of Node's is of no use for a file: it ends with its first error.
 */
export const writeLogLine = (line: string): void => {
  if (!writesToFile) {
    process.stderr.write(line);
    return;
  }
  try {
    writeSync(standardError, line);
  } catch {
    // ENOSPC, EDQUOT, EIO: there is nowhere to say so.
  }
};

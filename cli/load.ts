import { readFileSync } from "node:fs";

/** EMFILE and ENFILE, in the texts of Node's module loader and of the loader of native addons. */
const lacksDescriptors = /EMFILE|ENFILE|Too many open files/;

/**
 * Whether an error may be a lack of file descriptors: without a descriptor, Node's resolver cannot read a package and reports
 * that it does not exist.
 */
const mayLackDescriptors = (error: unknown): boolean =>
  error instanceof Error && "code" in error && error.code === "ERR_MODULE_NOT_FOUND" && isLimitLow();

/** The limit of open files below which "not found" may mean "could not be opened". The program opens fewer files while it loads. */
const manyFiles = 120;

const isLimitLow = (): boolean => {
  try {
    const [, limit = "unlimited"] = /^Max open files\s+(\w+)/m.exec(readFileSync("/proc/self/limits", "utf8")) ?? [];
    return Number(limit) < manyFiles;
  } catch (error) {
    return lacksDescriptors.test(String(error)); // only Linux has this file
  }
};

/**
 * Waits until a part of the program is loaded. If the process may not open enough files for it, prints one line and ends the
 * process.
 */
export const whenLoaded = async <T>(part: Promise<T>): Promise<T> => {
  try {
    return await part;
  } catch (error) {
    if (!lacksDescriptors.test(String(error)) && !mayLackDescriptors(error)) throw error;
    process.stderr.write(
      "cannot start: file descriptor limit of the process is too low to load the program; " +
        "set it to 1024 (ulimit -n)\n",
    );
    process.exit(1);
  }
};

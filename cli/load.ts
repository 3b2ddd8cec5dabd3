import { readFileSync } from "node:fs";

/** EMFILE and ENFILE, as Node's module loader says them and as the loader of native addons does. */
const lacksDescriptors = /EMFILE|ENFILE|Too many open files/;

/** Node's resolver cannot look into a package for the lack of a descriptor, and then says that there is no such package. */
const mayLackDescriptors = (error: unknown): boolean =>
  error instanceof Error && "code" in error && error.code === "ERR_MODULE_NOT_FOUND" && isLimitLow();

/** The limit below which a file that is not found may be one that could not be opened. The program loads fewer. */
const manyFiles = 120;

const isLimitLow = (): boolean => {
  try {
    const [, limit = "unlimited"] = /^Max open files\s+(\w+)/m.exec(readFileSync("/proc/self/limits", "utf8")) ?? [];
    return Number(limit) < manyFiles;
  } catch (error) {
    return lacksDescriptors.test(String(error)); // elsewhere than on Linux there is no such file
  }
};

/**
 * Waits for a part of the program. If the process may not open as many files as it consists of, one line says so, and the
 * process ends.
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

/** EMFILE and ENFILE, as Node's module loader says them and as the loader of native addons does. */
const lacksDescriptors = /EMFILE|ENFILE|Too many open files/;

/**
 * Waits for a part of the program. If the process may not open as many files as it consists of, one line says so, and the
 * process ends.
 */
export const loaded = async <T>(part: Promise<T>): Promise<T> => {
  try {
    return await part;
  } catch (error) {
    if (!lacksDescriptors.test(String(error))) throw error;
    process.stderr.write(
      "cannot start: file descriptor limit of the process is too low to load the program; " +
        "please set it to 1024 (ulimit -n)\n",
    );
    process.exit(1);
  }
};

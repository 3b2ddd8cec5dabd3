/**
 * Variables that glibc reads when a process starts. Without them a freed buffer of several MiB raises the size up to which
 * buffers are taken from glibc's heaps, and memory that is freed there stays with the process.
 *
 * @see mallopt(3)
 */
export const mallocSettings: Readonly<Record<string, string>> = { MALLOC_TRIM_THRESHOLD_: "131072" };

/** The environment of a process that gives freed memory back. Settings of the user stay. */
export const withMallocSettings = (environment: NodeJS.ProcessEnv, platform: string): NodeJS.ProcessEnv => {
  // Other C libraries on Linux ignore these variables.
  if (platform !== "linux" || environment["GLIBC_TUNABLES"]?.includes("glibc.malloc.") === true) return environment;
  return { ...mallocSettings, ...environment };
};

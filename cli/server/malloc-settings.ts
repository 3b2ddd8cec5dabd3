/**
 * Environment variables that glibc reads when a process starts. Without them, the first freed buffer of several MiB raises the
 * size up to which glibc allocates buffers from its heaps, and memory that is freed there is not returned to the system.
 *
 * @see mallopt(3)
 */
export const mallocSettings: Readonly<Record<string, string>> = { MALLOC_TRIM_THRESHOLD_: "131072" };

/** Returns the environment of a process that returns freed memory to the system. The user's own settings are kept. */
export const withMallocSettings = (environment: NodeJS.ProcessEnv, platform: string): NodeJS.ProcessEnv => {
  // Other C libraries on Linux ignore these variables.
  if (platform !== "linux" || environment["GLIBC_TUNABLES"]?.includes("glibc.malloc.") === true) return environment;
  return { ...mallocSettings, ...environment };
};

/** The worker's file. The bundle replaces this module by one with the worker's code in the URL itself (build.js). */
export const bcryptWorkerUrl = new URL("./bcrypt-worker.js", import.meta.url);

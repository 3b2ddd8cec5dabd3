/** The worker's file. In the bundle this module is replaced by one with the worker's code in the URL itself (build.js). */
export const bcryptWorkerUrl = new URL("./bcrypt-worker.js", import.meta.url);

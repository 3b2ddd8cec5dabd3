// Loaded into the test runner and into every test file's process (`--import`): ends the process when its parent has ended. Node's runner
// does not end its files when it is killed.

import { isMainThread } from "node:worker_threads";

const pollMs = 250;

const parent = process.ppid;
if (isMainThread)
  setInterval(() => {
    if (process.ppid !== parent) process.exit(1);
  }, pollMs).unref();

// Loaded into the test runner and into every test file's process (`--import`): ends it when its parent is gone. Node's
// runner leaves the files that it runs behind when it is killed.

import { isMainThread } from "node:worker_threads";

const pollMs = 250;

const parent = process.ppid;
if (isMainThread)
  setInterval(() => {
    if (process.ppid !== parent) process.exit(1);
  }, pollMs).unref();

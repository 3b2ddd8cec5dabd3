// Loaded into the test runner and into every test file's process: ends the process when its parent has ended. Node's runner does not end its
// files when it is killed. Loaded by `--require`, because Node 20's runner itself ignores `--import`.

const { isMainThread } = require("node:worker_threads");

const pollMs = 250;

const parent = process.ppid;
if (isMainThread)
  setInterval(() => {
    if (process.ppid !== parent) process.exit(1);
  }, pollMs).unref();

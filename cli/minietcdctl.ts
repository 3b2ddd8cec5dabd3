#!/usr/bin/env node
// minietcdctl: etcdctl's commands, for a cluster of minietcd or of etcd.
import { exitCodes, ioOf } from "./ctl/args/index.js";
import { runProgram } from "./ctl/index.js";

/** Exit code that a shell reports of a program that wrote to a closed pipe: 128 + SIGPIPE. */
const brokenPipe = 141;

for (const output of [process.stdout, process.stderr])
  output.on("error", ({ code, message }: NodeJS.ErrnoException) => {
    if (code === "EPIPE") process.exit(brokenPipe); // `minietcdctl get … | head`: nobody reads the rest
    if (output === process.stdout) process.stderr.write(`Error: cannot write to standard output: ${message}\n`);
    process.exit(exitCodes.error);
  });

process.exitCode = await runProgram(process.argv.slice(2), ioOf(process.env, process));

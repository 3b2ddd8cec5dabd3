#!/usr/bin/env node
// minietcdctl: etcdctl's commands, for a cluster of minietcd or of etcd.
import { ioOf } from "./ctl/io.js";
import { runProgram } from "./ctl/program.js";

/** What a shell reports of a program that wrote to a closed pipe: 128 + SIGPIPE. */
const brokenPipe = 141;

process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
  process.exit(brokenPipe); // `minietcdctl get … | head`: nobody reads the rest
});

process.exitCode = await runProgram(process.argv.slice(2), ioOf(process.env, process));

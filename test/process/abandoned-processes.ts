// A test file that does not end: it starts a member, another one that it freezes, and a child that is no member, and prints their pids.

import { spawn } from "node:child_process";
import { join } from "node:path";
import { endWithTests } from "../support/child-processes.js";
import { MinietcdProcess } from "../support/minietcd-process.js";
import { tempFolder } from "../support/temp-folder.js";

const folder = await tempFolder();
const members = ["running", "frozen"].map((name) =>
  MinietcdProcess.start([
    `--data-dir=${join(folder.path, name)}`,
    `--listen-client-urls=unix://${join(folder.path, `${name}.client`)}`,
    "--advertise-client-urls=http://127.0.0.1:0",
    "--listen-peer-urls=http://127.0.0.1:0",
  ]),
);
for (const member of members)
  await member.waitFor("ready", ({ stderr }) => stderr.includes("ready to serve") || undefined);
const other = endWithTests(spawn("sleep", ["1000"], { stdio: "ignore" }));
members[1]!.signal("SIGSTOP");
await folder[Symbol.asyncDispose]();
console.log(`pids ${[process.pid, ...members.map(({ pid }) => pid), other.pid].join(" ")}`);

// A command line that runs inside the test's process.

import { EventEmitter } from "node:events";
import { Readable } from "node:stream";
import { runProgram } from "../../../../cli/ctl/program.js";
import type { Client } from "../../../../client/index.js";
import { eventually } from "../../../support/deadline.js";

const deadlineMs = 10_000;

/** Starts a command line against a running server, with a dial timeout for slow machines. `signals` stand for those of the process. */
export function startProgram(endpoint: string, ...words: readonly string[]) {
  const output = { stdout: "", stderr: "" };
  const signals = new EventEmitter();
  const ended = runProgram(["--endpoints", endpoint, "--dial-timeout=60s", ...words], {
    env: process.env,
    stdin: Readable.from([]),
    print: (text) => (output.stdout += Buffer.from(text as Uint8Array).toString()),
    note: (line) => (output.stderr += `${line}\n`),
    signals,
  });
  const waitForOutput = (text: string) =>
    eventually(deadlineMs, `${text} on standard output`, () =>
      Promise.resolve(output.stdout.includes(text) || undefined),
    );
  const waitForKeys = (client: Client, prefix: string, count: number) =>
    eventually(deadlineMs, `${count} keys under ${prefix}`, async () => {
      const result = await client.kv.get(prefix, { prefix: true });
      return result.count === count || undefined;
    });
  const waitForSomeKeys = (client: Client, prefix: string) =>
    eventually(deadlineMs, `keys under ${prefix}`, async () => {
      const result = await client.kv.get(prefix, { prefix: true, countOnly: true });
      return result.count > 0 || undefined;
    });
  return {
    signals,
    output,
    waitForOutput,
    waitForKeys,
    waitForSomeKeys,
    ended: ended.then((code) => ({ code, ...output })),
  };
}

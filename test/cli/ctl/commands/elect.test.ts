// minietcdctl elect: candidates, observers and signals.

import assert from "node:assert/strict";
import { test } from "node:test";
import { startTestServer } from "../../../../testing/kit/index.js";
import { startProgram } from "./running-program.js";

test("elect leads until a signal, while another observes it, and the next candidate follows", async () => {
  await using server = await startTestServer();
  const observer = startProgram(server.endpoint, "elect", "-l", "e");
  const first = startProgram(server.endpoint, "elect", "e", "first");
  await first.waitForOutput("first");
  const second = startProgram(server.endpoint, "elect", "e", "second");
  await observer.waitForOutput("first");
  first.signals.emit("SIGINT", "SIGINT");
  const { code, stdout, stderr } = await first.ended;
  assert.deepEqual([code, stderr], [0, ""]);
  assert.match(stdout, /^e\/[\da-f]+\nfirst\n$/);
  await second.waitForOutput("second");
  await observer.waitForOutput("second");
  observer.signals.emit("SIGTERM", "SIGTERM");
  const observed = await observer.ended;
  assert.deepEqual([observed.code, observed.stderr], [0, ""]);
  assert.match(observed.stdout, /^e\/[\da-f]+\nfirst\ne\/[\da-f]+\nsecond\n$/);
  const waiting = startProgram(server.endpoint, "elect", "e", "third");
  await waiting.waitForKeys(server.client(), "e/", 2);
  waiting.signals.emit("SIGINT", "SIGINT");
  assert.deepEqual(await waiting.ended, { code: 1, stdout: "", stderr: "Error: context canceled\n" });
  second.signals.emit("SIGINT", "SIGINT");
  assert.equal((await second.ended).code, 0);
});

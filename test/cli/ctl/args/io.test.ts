// Standard error: colors and progress are shown on terminals only.

import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import { Readable, Writable } from "node:stream";
import { test } from "node:test";
import { ioOf } from "../../../../cli/ctl/args/index.js";

/** Returns an `Io`, and the text written to its standard error. */
function createIo(isTTY: boolean, env: NodeJS.ProcessEnv) {
  const written: string[] = [];
  const write = (chunk: Buffer, _: string, done: () => void) => {
    written.push(chunk.toString());
    done();
  };
  const stderr = Object.assign(new Writable({ write }), { isTTY });
  const process = Object.assign(new EventEmitter(), { stdin: Readable.from([]), stdout: new Writable(), stderr });
  return { io: ioOf(env, process), written };
}

test("errors and warnings have a color on a terminal, and other lines have none", () => {
  const { io, written } = createIo(true, { TERM: "xterm" });
  for (const line of ["Error: no", "Warning: Error: maybe", "no Error: here"]) io.note(line);
  assert.deepEqual(written, [
    "\x1b[31mError:\x1b[39m no\n",
    "\x1b[33mWarning:\x1b[39m Error: maybe\n",
    "no Error: here\n",
  ]);
});

test("a pipe, NO_COLOR and a dumb terminal have no colors", () => {
  for (const [isTTY, env] of [
    [false, { TERM: "xterm" }],
    [true, { TERM: "xterm", NO_COLOR: "1" }],
    [true, { TERM: "dumb" }],
  ] as const) {
    const { io, written } = createIo(isTTY, env);
    io.note("Error: no");
    assert.deepEqual(written, ["Error: no\n"]);
  }
});

test("progress replaces the last line of a terminal, and is not written to a pipe", () => {
  const { io, written } = createIo(true, {});
  io.progress?.("10%");
  io.progress?.("");
  assert.deepEqual(written, ["\r\x1b[K10%", "\r\x1b[K"]);
  assert.equal(createIo(false, {}).io.progress, undefined);
});

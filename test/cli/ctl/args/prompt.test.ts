// Passwords at a prompt: the terminal's output, editing and cancelling a line, and lines of standard input.

import assert from "node:assert/strict";
import { PassThrough, Readable } from "node:stream";
import { describe, test } from "node:test";
import { askPassword, readLine } from "../../../../cli/ctl/args/index.js";

/** Returns a terminal on which these texts are typed. */
function terminal(...typed: readonly string[]) {
  const modes: boolean[] = [];
  const stdin = Object.assign(new PassThrough(), { isTTY: true, setRawMode: (mode: boolean) => void modes.push(mode) });
  for (const text of typed) stdin.write(text);
  const printed: (string | Uint8Array)[] = [];
  const print = (text: string | Uint8Array) => {
    if (printed.length === 0) assert.deepEqual(modes, [true], "the prompt comes once nothing is shown");
    printed.push(text);
  };
  const io = { stdin, print };
  return { io, modes, outputText: () => printed.join("") };
}

describe("a password at a terminal", () => {
  test("is not shown, and the terminal's mode is restored", async () => {
    const { io, modes, outputText } = terminal("pässwörd", "\r");
    assert.equal(await askPassword("Password: ", io), "pässwörd");
    assert.equal(outputText(), "Password: \n");
    assert.deepEqual(modes, [true, false]);
  });

  test("can be edited: the last character, or all of it, can be deleted", async () => {
    assert.equal(await askPassword("", terminal("abö\x7f\x08c\r").io), "ac");
    assert.equal(await askPassword("", terminal("\x7fwrong\x15right\n").io), "right");
  });

  test("is canceled by Ctrl-C, with etcdctl's exit code, and the terminal's mode is restored", async () => {
    const { io, modes } = terminal("secret\x03");
    await assert.rejects(askPassword("Password: ", io), { name: "SilentFailure", exitCode: 255 });
    assert.deepEqual(modes, [true, false]);
  });

  test("leaves what is typed ahead to the next prompt", async () => {
    const { io } = terminal("first\rsecond\r");
    assert.deepEqual([await askPassword("", io), await askPassword("", io)], ["first", "second"]);
  });

  test("ends with the terminal's input", async () => {
    assert.equal(await askPassword("", terminal("typed\x04").io), "typed");
    const { io } = terminal("typed");
    io.stdin.end();
    assert.equal(await askPassword("", io), "typed");
  });
});

describe("standard input that is no terminal", () => {
  const input = (...chunks: readonly string[]) => Readable.from(chunks.map((chunk) => Buffer.from(chunk)));

  test("is read line by line, in chunks of any size, and without spaces around a password", async () => {
    const stdin = input("fi", "rst\r\nsec", "ond\n", "third");
    const print = () => undefined;
    assert.equal(await readLine(stdin), "first");
    assert.equal(await askPassword("", { stdin, print }), "second");
    assert.equal(await readLine(stdin), "third");
    assert.equal(await readLine(stdin), "");
  });

  test("leaves the following lines to later readers", async () => {
    const stdin = input("line\nrest ", "of it");
    await readLine(stdin);
    assert.equal((await stdin.map(String).toArray()).join(""), "rest of it");
  });
});

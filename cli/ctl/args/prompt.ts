// Reads lines of standard input, and passwords, which the terminal does not echo.
import type { Readable } from "node:stream";
import type { ReadStream } from "node:tty";
import { SilentFailure } from "./failure.js";
import type { Io } from "./io.js";

/** Exit code of a command that is interrupted at a prompt, as etcdctl's: -1 in eight bits. */
const interruptedAtPrompt = 255;

/** Bytes of keys, in raw mode. */
const keys = {
  interrupt: 0x03,
  endOfInput: 0x04,
  backspace: 0x08,
  newline: 0x0a,
  enter: 0x0d,
  eraseLine: 0x15,
  erase: 0x7f,
};
const lineEnds: ReadonlySet<number> = new Set([keys.interrupt, keys.endOfInput, keys.newline, keys.enter]);

/**
 * Takes bytes until a line is complete. Standard input is paused before and after.
 *
 * @param take receives the next bytes, and returns how many of them belong to the line; undefined: all, and the line continues
 */
const takeLine = (stdin: Readable, take: (chunk: Buffer) => number | undefined): Promise<void> =>
  new Promise((resolve, reject) => {
    if (stdin.readableEnded || stdin.destroyed) return resolve();
    const stop = () => stdin.off("data", onData).off("end", onEnd).off("error", onError).pause();
    const onData = (chunk: Uint8Array) => {
      const taken = take(Buffer.from(chunk));
      if (taken === undefined) return;
      stop();
      // Put back at once: the end of the stream may be next, and nothing can be put back after it.
      if (taken < chunk.length) stdin.unshift(chunk.subarray(taken));
      resolve();
    };
    const onEnd = () => {
      stop();
      resolve();
    };
    const onError = (error: Error) => {
      stop();
      reject(error);
    };
    stdin.on("data", onData).on("end", onEnd).on("error", onError).resume();
  });

/** Reads one line, without its line end; later bytes stay in standard input. Without a line end, the rest counts as a line. */
export async function readLine(stdin: Readable): Promise<string> {
  const parts: Uint8Array[] = [];
  await takeLine(stdin, (chunk) => {
    const end = chunk.indexOf(keys.newline);
    parts.push(end < 0 ? chunk : chunk.subarray(0, end));
    return end < 0 ? undefined : end + 1;
  });
  return Buffer.concat(parts).toString("utf8").replace(/\r$/, "");
}

/** Asks for a password: without an echo at a terminal, otherwise as a line of standard input. @throws SilentFailure on Ctrl-C */
export async function askPassword(prompt: string, { stdin, print }: Pick<Io, "stdin" | "print">): Promise<string> {
  const ask = () => print(prompt);
  if (!isTerminal(stdin)) ask();
  const line = isTerminal(stdin) ? await readSecretly(stdin, ask) : await readLine(stdin);
  print("\n");
  return line.trim();
}

const isTerminal = (stdin: Readable): stdin is ReadStream => "isTTY" in stdin && stdin.isTTY === true;

/**
 * Reads a line in raw mode: the terminal neither shows nor edits it. If a signal ends the process, Node leaves raw mode, too.
 *
 * @param ask prints the prompt; called in raw mode, so that characters that are typed at once are not shown either
 */
async function readSecretly(terminal: ReadStream, ask: () => void): Promise<string> {
  let typed: readonly number[] = [];
  const last: { key?: number | undefined } = {};
  terminal.setRawMode(true);
  try {
    ask();
    await takeLine(terminal, (chunk) => {
      const end = chunk.findIndex((byte) => lineEnds.has(byte));
      for (const byte of end < 0 ? chunk : chunk.subarray(0, end)) typed = afterKey(typed, byte);
      last.key = chunk[end];
      return end < 0 ? undefined : end + 1;
    });
  } finally {
    terminal.setRawMode(false);
  }
  if (last.key === keys.interrupt) throw new SilentFailure(interruptedAtPrompt);
  return textOf(typed);
}

const textOf = (bytes: readonly number[]): string => Buffer.from(bytes).toString("utf8");

function afterKey(typed: readonly number[], byte: number): number[] {
  if (byte === keys.eraseLine) return [];
  if (byte !== keys.erase && byte !== keys.backspace) return [...typed, byte];
  return [...Buffer.from(Array.from(textOf(typed)).slice(0, -1).join(""), "utf8")]; // removes a character, not a byte
}

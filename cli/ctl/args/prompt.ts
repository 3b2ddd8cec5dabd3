// Lines of standard input, and passwords, which a terminal does not show while they are typed.
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
 * Takes bytes until there is a line. Standard input is paused before and after.
 *
 * @param take is given the next bytes, and tells how many of them it has taken; undefined: all, and more are wanted
 */
const takeLine = (stdin: Readable, take: (chunk: Buffer) => number | undefined): Promise<void> =>
  new Promise((resolve, reject) => {
    if (stdin.readableEnded || stdin.destroyed) return resolve();
    const stop = () => stdin.off("data", onData).off("end", onEnd).off("error", onError).pause();
    const onData = (chunk: Uint8Array) => {
      const taken = take(Buffer.from(chunk));
      if (taken === undefined) return;
      stop();
      // Now: the end of the stream may be next, behind which nothing can be put back.
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

/** Reads one line, without its end; what follows stays in standard input. Without a line end, the rest counts as one. */
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
 * Reads a line in raw mode: the terminal neither shows nor edits it. Node leaves that mode, too, if a signal ends the process.
 *
 * @param ask prints the prompt, in raw mode already: whoever answers at once is not shown either
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
  return [...Buffer.from(Array.from(textOf(typed)).slice(0, -1).join(""), "utf8")]; // a character, not a byte
}

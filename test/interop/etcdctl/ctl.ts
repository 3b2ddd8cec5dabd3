// The two programs that are compared: Debian's etcdctl, and minietcdctl.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { runProgram } from "../../../cli/ctl/program.js";
import { within } from "../../support/deadline.js";

/** What a program wrote, each byte one character, and how it ended. */
export interface Answer {
  readonly stdout: string;
  readonly stderr: string;
  readonly exitCode: number | null;
}

export interface Input {
  readonly stdin: string;
  readonly env: Readonly<Record<string, string>>;
}

export type Ctl = (words: readonly string[], input: Input) => Promise<Answer>;

const exitTimeoutMs = 30_000;

const bytesOf = (text: string) => Buffer.from(text, "utf8");
const charactersOf = (chunks: readonly (Uint8Array | string)[]) =>
  Buffer.concat(chunks.map((chunk) => Buffer.from(chunk as string))).toString("latin1");

const processCtl =
  (program: string, ...first: readonly string[]): Ctl =>
  async (words, { stdin, env }) => {
    const { PATH, HOME } = process.env;
    const child = spawn(program, [...first, ...words], { env: { PATH, HOME, ...env } });
    const stdout: Uint8Array[] = [];
    const stderr: Uint8Array[] = [];
    child.stdout.on("data", (chunk: Uint8Array) => stdout.push(chunk));
    child.stderr.on("data", (chunk: Uint8Array) => stderr.push(chunk));
    child.stdin.on("error", () => undefined); // it need not read what it is given
    child.stdin.end(bytesOf(stdin));
    try {
      const ended = once(child, "close") as Promise<[number | null]>;
      const [exitCode] = await within(exitTimeoutMs, `${program} ${words.join(" ")}`, ended);
      return { stdout: charactersOf(stdout), stderr: charactersOf(stderr), exitCode };
    } finally {
      child.kill("SIGKILL");
    }
  };

/** Debian's, as a process. */
export const etcdctl = processCtl("etcdctl");

/** The built program, as a process. */
export const minietcdctlProcess = processCtl(
  process.execPath,
  fileURLToPath(new URL("../../../dist/cli/minietcdctl.js", import.meta.url)),
);

/** The same program inside this process: a script has some hundred steps, and starting Node takes longer than a step. */
export const minietcdctl: Ctl = async (words, { stdin, env }) => {
  const stdout: (Uint8Array | string)[] = [];
  const stderr: string[] = [];
  const exitCode = await runProgram(words, {
    env,
    stdin: Readable.from([bytesOf(stdin)]),
    print: (output) => stdout.push(output),
    note: (line) => stderr.push(`${line}\n`),
  });
  return { stdout: charactersOf(stdout), stderr: charactersOf(stderr), exitCode };
};

// The programs to compare: the etcdctl of etcd 3.7, Debian's of 3.4, and minietcdctl.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { runProgram } from "../../../cli/ctl/program.js";
import { pathOfTool } from "../../support/built-tools.js";
import { endWithTests } from "../../support/child-processes.js";
import { within } from "../../support/deadline.js";

/** The output of a program, with a character for each byte, and its exit code. */
export interface Answer {
  readonly stdout: string;
  readonly stderr: string;
  /** Null: the test has killed it. */
  readonly exitCode: number | null;
}

export interface Input {
  readonly stdin: string;
  readonly env: Readonly<Record<string, string>>;
}

export interface Ctl {
  /** Runs a command line to its end. */
  readonly run: (words: readonly string[], input: Input) => Promise<Answer>;
  /** Starts a command line that runs while others do. Its standard input stays open. */
  readonly start: (words: readonly string[], env: Input["env"]) => RunningCtl;
}

const timeoutMs = 30_000;

const bytesOf = (text: string) => Buffer.from(text, "utf8");
const charactersOf = (chunks: readonly (Uint8Array | string)[]) =>
  Buffer.concat(chunks.map((chunk) => Buffer.from(chunk as string))).toString("latin1");

export class RunningCtl {
  private readonly child;
  private readonly whenClosed: Promise<[number | null]>;
  private readonly stdout: Uint8Array[] = [];
  private readonly stderr: Uint8Array[] = [];
  private wake: () => void = () => undefined;

  constructor(
    program: string,
    private readonly words: readonly string[],
    env: Input["env"],
  ) {
    const { PATH, HOME } = process.env;
    this.child = endWithTests(spawn(program, words, { env: { PATH, HOME, ...env } }));
    this.whenClosed = once(this.child, "close") as Promise<[number | null]>;
    this.child.stdin.on("error", () => undefined); // a program may end without reading its input
    this.child.stderr.on("data", (chunk: Uint8Array) => {
      this.stderr.push(chunk);
      this.wake();
    });
    this.child.stdout.on("data", (chunk: Uint8Array) => {
      this.stdout.push(chunk);
      this.wake();
    });
  }

  type(text: string): void {
    this.child.stdin.write(bytesOf(text));
  }

  /** Waits until the program has written `count` lines. */
  lines(count: number): Promise<void> {
    return this.waitUntil(`${count} lines`, () => charactersOf(this.stdout).split("\n").length > count);
  }

  /** Waits until the program has written a text to standard error. */
  waitForWarning(text: string): Promise<void> {
    return this.waitUntil(`"${text}"`, () => charactersOf(this.stderr).includes(text));
  }

  private async waitUntil(what: string, isWritten: () => boolean): Promise<void> {
    const wait = async () => {
      while (!isWritten()) await new Promise<void>((resolve) => (this.wake = resolve));
    };
    const outputSoFar = () => `${charactersOf(this.stdout)}${charactersOf(this.stderr)}`;
    await within(timeoutMs, `${what} of ${this.words.join(" ")}`, wait()).catch((error: unknown) => {
      throw new Error(`${(error as Error).message}; so far:\n${outputSoFar()}`);
    });
  }

  /** Waits until the program ends by itself. */
  async whenEnded(stdin = ""): Promise<Answer> {
    this.child.stdin.end(bytesOf(stdin));
    try {
      const [exitCode] = await within(timeoutMs, this.words.join(" "), this.whenClosed);
      return { stdout: charactersOf(this.stdout), stderr: charactersOf(this.stderr), exitCode };
    } finally {
      this.kill();
    }
  }

  kill(): void {
    this.child.kill("SIGKILL");
  }
}

const processCtl = (program: string, ...first: readonly string[]): Ctl => {
  const start = (words: readonly string[], env: Input["env"]) => new RunningCtl(program, [...first, ...words], env);
  return { start, run: (words, { stdin, env }) => start(words, env).whenEnded(stdin) };
};

/**
 * Returns etcd 3.7's etcdctl, as a process.
 * @throws Error if it is not built
 */
export const etcdctl = (): Ctl => processCtl(pathOfTool("etcd/etcdctl"));

/** Debian's etcdctl of etcd 3.4, as a process. */
export const olderEtcdctl = processCtl("etcdctl");

/** The built program, as a process. */
export const minietcdctlProcess = processCtl(
  process.execPath,
  fileURLToPath(new URL("../../../dist/cli/minietcdctl.js", import.meta.url)),
);

/** minietcdctl inside this process: a script has some hundred steps, and starting Node takes longer than a step. */
export const minietcdctl: Ctl = {
  start: minietcdctlProcess.start,
  async run(words, { stdin, env }) {
    const stdout: (Uint8Array | string)[] = [];
    const stderr: string[] = [];
    const exitCode = await runProgram(words, {
      env,
      stdin: Readable.from([bytesOf(stdin)]),
      print: (output) => stdout.push(output),
      note: (line) => stderr.push(`${line}\n`),
    });
    return { stdout: charactersOf(stdout), stderr: charactersOf(stderr), exitCode };
  },
};

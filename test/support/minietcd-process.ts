// One process of `minietcd`, with its output and its exit.

import { spawn, type ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";
import { endWithTests } from "./child-processes.js";
import { within } from "./deadline.js";

/** The built program, as users run it. */
export const minietcdProgram = fileURLToPath(new URL("../../dist/cli/minietcd.js", import.meta.url));

/** The exit of a process: its code, or the signal that ended it. */
export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface ProcessOptions {
  readonly cwd?: string;
  /** Variables for the process, which gets none of etcd's from this one. */
  readonly env?: Readonly<Record<string, string>>;
  /** Whether the process has a channel like a member of `minietcd cluster`, with which it ends when this process does. */
  readonly supervised?: boolean;
  /** Limit of its open files, set with `ulimit -n`; absent: that of this process. */
  readonly maxFiles?: number;
}

/** Returns a command that sets the limit, then executes the program. */
const limitFiles = (maxFiles: number, program: readonly string[]): readonly string[] => [
  "sh",
  "-c",
  `ulimit -n ${maxFiles} && exec "$@"`,
  "sh",
  ...program,
];

const exitDeadlineMs = 20_000;

/**
 * Returns the variable for the engine, unless the flags name one: `RPC_ENGINE=native npm test` runs all such members on the native
 * engine.
 */
const engineOf = (args: readonly string[]): Record<string, string> => {
  const engine = process.env["RPC_ENGINE"];
  return engine === undefined || args.some((arg) => arg.startsWith("--rpc-engine")) ? {} : { ETCD_RPC_ENGINE: engine };
};

/** Disables the warm-up, because tests start many members for a short time. */
export const withoutWarmUp = { ETCD_WARM_UP: "false" } as const;

const warmUpOf = (args: readonly string[]): Record<string, string> =>
  args.some((arg) => arg.startsWith("--warm-up") || arg.startsWith("--no-warm-up")) ? {} : withoutWarmUp;

export class MinietcdProcess implements AsyncDisposable {
  /** Resolves when the process has ended and its output has been read. */
  readonly whenExited: Promise<Exit>;
  private readonly output = { stdout: "", stderr: "" };
  private readonly listeners = new Set<() => void>();
  private hasEnded = false;

  private constructor(private readonly child: ChildProcess) {
    endWithTests(child);
    for (const name of ["stdout", "stderr"] as const)
      child[name]?.setEncoding("utf8").on("data", (text: string) => {
        this.output[name] += text;
        this.notifyListeners();
      });
    this.whenExited = new Promise((resolve, reject) => {
      child.once("error", reject);
      child.once("close", (code, signal) => {
        this.hasEnded = true;
        this.notifyListeners();
        resolve({ code, signal });
      });
    });
    this.whenExited.catch(() => undefined); // callers that await it get the failure
  }

  /** Starts `minietcd` with arguments. */
  static start(
    args: readonly string[],
    { cwd, env, supervised = false, maxFiles }: ProcessOptions = {},
  ): MinietcdProcess {
    const program = [process.execPath, minietcdProgram, ...args];
    const [command = "", ...rest] = maxFiles === undefined ? program : limitFiles(maxFiles, program);
    const child = spawn(command, rest, {
      ...(cwd === undefined ? {} : { cwd }),
      env: { PATH: process.env["PATH"], HOME: process.env["HOME"], ...engineOf(args), ...warmUpOf(args), ...env },
      stdio: supervised ? ["ignore", "pipe", "pipe", "ipc"] : ["ignore", "pipe", "pipe"],
    });
    return new MinietcdProcess(child);
  }

  get pid(): number {
    if (this.child.pid === undefined) throw new Error("minietcd was not started");
    return this.child.pid;
  }

  get isRunning(): boolean {
    return !this.hasEnded;
  }

  get stdout(): string {
    return this.output.stdout;
  }

  get stderr(): string {
    return this.output.stderr;
  }

  /** The log lines so far. */
  get log(): Record<string, unknown>[] {
    const whole = this.stderr.slice(0, this.stderr.lastIndexOf("\n") + 1);
    return whole
      .split("\n")
      .filter((line) => line.startsWith("{"))
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  }

  /** Sends a signal, and returns at once. */
  signal(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  /** Sends a signal and waits for the process to end. */
  async end(signal: NodeJS.Signals = "SIGKILL"): Promise<Exit> {
    if (this.isRunning) this.signal(signal);
    return this.waitForExit();
  }

  /** @throws Error with its whole output if it takes longer than 20 s on a quiet machine */
  async waitForExit(): Promise<Exit> {
    try {
      return await within(exitDeadlineMs, "the end of minietcd", this.whenExited);
    } catch (error) {
      throw new Error(`${(error as Error).message}\n${this.stdout}${this.stderr}`, { cause: error });
    }
  }

  /**
   * Waits until `find` returns a value for the output so far.
   * | @throws Error with its whole output if it ends before, or takes longer than `timeoutMs`
   */
  async waitFor<T>(what: string, find: (self: this) => T | undefined, timeoutMs = 15_000): Promise<T> {
    let stop = (): void => undefined;
    const found = new Promise<T>((resolve, reject) => {
      const look = (): void => {
        const result = find(this);
        if (result !== undefined) resolve(result);
        else if (this.hasEnded) reject(new Error(`minietcd ended before ${what}`));
      };
      stop = () => void this.listeners.delete(look);
      this.listeners.add(look);
      look();
    });
    try {
      return await within(timeoutMs, what, found);
    } catch (error) {
      throw new Error(`${(error as Error).message}\n${this.stdout}\n${this.stderr}`, { cause: error });
    } finally {
      stop();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.isRunning) this.child.kill("SIGKILL");
    await this.whenExited.catch(() => undefined);
  }

  private notifyListeners(): void {
    for (const look of [...this.listeners]) look();
  }
}

/** Runs `minietcd` until it ends by itself, as with `--help` or if it cannot start. */
export const runMinietcd = async (
  args: readonly string[],
  options: ProcessOptions = {},
): Promise<Exit & { readonly stdout: string; readonly stderr: string }> => {
  await using process = MinietcdProcess.start(args, options);
  const exit = await process.waitForExit();
  return { ...exit, stdout: process.stdout, stderr: process.stderr };
};

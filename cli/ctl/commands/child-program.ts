// Programs that a command runs.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import type { Readable } from "node:stream";
import { exitCodes, type Io, quote, systemErrorReason } from "../args/index.js";

/** The program could not be started, or did not end with exit code 0. */
export interface ProgramFailure {
  readonly exitCode: number;
  /** The reason in Go's words. */
  readonly reason: string;
}

/** Exit code of a program that a signal has ended: Go's -1, of which the shell gets the lowest byte. */
const endedBySignal = 255;

/**
 * Runs a program without standard input, and waits until it ends.
 *
 * @param variables added to the environment
 * @param signals their SIGTERM is passed to the program; SIGINT is not, because a terminal sends it to both processes
 * @returns undefined if the program ended with exit code 0
 */
export async function runToEnd(
  [program = "", ...args]: readonly string[],
  variables: NodeJS.ProcessEnv,
  io: Io,
  signals?: Io["signals"],
): Promise<ProgramFailure | undefined> {
  if (program === "") return { exitCode: exitCodes.error, reason: "exec: no command" };
  let child: ChildProcess | undefined;
  const terminate = () => child?.kill("SIGTERM");
  signals?.on("SIGTERM", terminate);
  try {
    const env = { ...io.env, ...variables };
    child = spawn(program, args, { env, stdio: ["ignore", io.programOutput ?? "pipe", "inherit"] });
    const [[exitCode, signal]] = await Promise.all([
      once(child, "close") as Promise<[number | null, string | null]>,
      child.stdout === null ? undefined : forward(child.stdout, io),
    ]);
    if (exitCode === 0) return undefined;
    return exitCode === null
      ? { exitCode: endedBySignal, reason: `signal: ${goSignals[signal ?? ""] ?? signal}` }
      : { exitCode, reason: `exit status ${exitCode}` };
  } catch (error) {
    // Depending on the reason, `spawn` throws or the process emits an "error" event.
    return { exitCode: exitCodes.error, reason: startFailureOf(error as NodeJS.ErrnoException, program) };
  } finally {
    signals?.off("SIGTERM", terminate);
  }
}

async function forward(output: Readable, { print }: Pick<Io, "print">): Promise<void> {
  for await (const chunk of output) print(chunk as Uint8Array);
}

/** Go's names of the signals that end programs. */
const goSignals: Readonly<Record<string, string>> = {
  SIGHUP: "hangup",
  SIGINT: "interrupt",
  SIGQUIT: "quit",
  SIGABRT: "aborted",
  SIGKILL: "killed",
  SIGSEGV: "segmentation fault",
  SIGPIPE: "broken pipe",
  SIGTERM: "terminated",
};

function startFailureOf(error: NodeJS.ErrnoException, program: string): string {
  const { code, message } = error;
  if (code === "ENOENT" && !program.includes("/")) return `exec: ${quote(program)}: executable file not found in $PATH`;
  const reason = systemErrorReason(error);
  return reason === undefined ? message : `fork/exec ${program}: ${reason}`;
}

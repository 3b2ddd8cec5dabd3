// The program that `watch … -- program` runs for each change.
import { spawn } from "node:child_process";
import { once } from "node:events";
import type { Readable } from "node:stream";
import { getSystemErrorMap } from "node:util";
import type { WatchEvent } from "../../../client/index.js";
import { exitCodes, type Io, quote, SilentFailure } from "../args/index.js";

/**
 * Runs it, and waits for its end.
 *
 * @param revision of the server when it told of the event
 * @throws SilentFailure, having said why, if it cannot be run or does not succeed
 */
export async function runForEvent(
  [program = "", ...args]: readonly string[],
  { type, kv }: WatchEvent,
  revision: number,
  io: Io,
): Promise<void> {
  const env = {
    ...io.env,
    ETCD_WATCH_REVISION: String(revision),
    ETCD_WATCH_EVENT_TYPE: quote(type.toUpperCase()),
    ETCD_WATCH_KEY: quote(kv.key),
    ETCD_WATCH_VALUE: quote(kv.value),
  };
  const problem = program === "" ? "exec: no command" : await runToEnd(program, args, env, io);
  if (problem === undefined) return;
  io.note(`command [${[program, ...args].map(quote).join(" ")}] error (${problem})`);
  throw new SilentFailure(exitCodes.error);
}

/** @returns undefined if it ended in good order; otherwise what Go says */
async function runToEnd(
  program: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  io: Io,
): Promise<string | undefined> {
  try {
    const child = spawn(program, args, { env, stdio: ["ignore", "pipe", "inherit"] });
    const [[exitCode, signal]] = await Promise.all([
      once(child, "close") as Promise<[number | null, string | null]>,
      forward(child.stdout, io),
    ]);
    if (exitCode === 0) return undefined;
    return exitCode === null ? `signal: ${goSignals[signal ?? ""] ?? signal}` : `exit status ${exitCode}`;
  } catch (error) {
    // Thrown by `spawn` or told by an event, depending on the reason.
    return whyNotStarted(error as NodeJS.ErrnoException, program);
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

function whyNotStarted({ code, errno, message }: NodeJS.ErrnoException, program: string): string {
  if (code === "ENOENT" && !program.includes("/")) return `exec: ${quote(program)}: executable file not found in $PATH`;
  const [, reason] = getSystemErrorMap().get(errno ?? 0) ?? [];
  return reason === undefined ? message : `fork/exec ${program}: ${reason}`;
}

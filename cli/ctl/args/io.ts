// The standard input, output and error of a command, and its environment.
import type { Readable, Writable } from "node:stream";
import type { NameResolver } from "../../../client/index.js";

/** The streams and the environment of a command; tests have their own. */
export interface Io {
  readonly env: NodeJS.ProcessEnv;
  readonly stdin: Readable;
  /** Writes to standard output, without adding a line end. */
  readonly print: (output: string | Uint8Array) => void;
  /** Writes a line to standard error. */
  readonly note: (line: string) => void;
  /** Replaces the last line of standard error; an empty text removes it. Absent: standard error is no terminal. */
  readonly progress?: ((text: string) => void) | undefined;
  /** Emits an event named after each signal that the process receives. Absent: no signals are received. */
  readonly signals?: Pick<NodeJS.EventEmitter, "on" | "off">;
  /** The standard output of programs that a command runs: "pipe" passes it to `print`, "inherit" is the process's own. Default: pipe. */
  readonly programOutput?: "pipe" | "inherit";
  /** Resolves DNS names. Absent: the machine's DNS servers are asked. */
  readonly resolver?: NameResolver;
}

/** The parts of Node's `process` that an `Io` is made from. */
type Process = Pick<NodeJS.EventEmitter, "on" | "off"> & {
  readonly stdin: Readable;
  readonly stdout: Writable;
  readonly stderr: Writable & { readonly isTTY?: boolean };
};

/** Wraps the streams and signals of a process. */
export const ioOf = (env: NodeJS.ProcessEnv, process: Process): Io => ({
  env,
  stdin: process.stdin,
  print: (output) => void process.stdout.write(output),
  note: (line) => void process.stderr.write(`${hasColors(env, process.stderr) ? colorSeverity(line) : line}\n`),
  progress: process.stderr.isTTY === true ? (text) => void process.stderr.write(`\r\x1b[K${text}`) : undefined,
  signals: process,
  programOutput: "inherit",
});

/** Whether to write colors: only to terminals, and not if the environment disables them. @see no-color.org */
const hasColors = ({ NO_COLOR = "", TERM }: NodeJS.ProcessEnv, { isTTY }: Process["stderr"]): boolean =>
  isTTY === true && NO_COLOR === "" && TERM !== "dumb";

/** Colors the word at the beginning of a line: "Error:" red, "Warning:" yellow. */
const colorSeverity = (line: string): string =>
  line.replace(/^Error:/, "\x1b[31m$&\x1b[39m").replace(/^Warning:/, "\x1b[33m$&\x1b[39m");

const stopSignals = ["SIGINT", "SIGTERM"] as const;

/**
 * Does work that can be stopped: meanwhile, SIGINT and SIGTERM do not end the process but abort `stop`, with the signal's name as
 * the reason.
 */
export async function runStoppable<T>(
  { signals }: Pick<Io, "signals">,
  work: (stop: AbortSignal) => Promise<T>,
): Promise<T> {
  const stopping = new AbortController();
  const stop = (name: NodeJS.Signals) => stopping.abort(name);
  for (const name of stopSignals) signals?.on(name, stop);
  try {
    return await work(stopping.signal);
  } finally {
    for (const name of stopSignals) signals?.off(name, stop);
  }
}

/** Reads standard input to its end. */
export async function readAll(stdin: Readable): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stdin) chunks.push(chunk as Uint8Array);
  return Buffer.concat(chunks);
}

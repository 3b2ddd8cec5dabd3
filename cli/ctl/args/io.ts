// The standard input, output and error of a command, and its environment.
import type { Readable, Writable } from "node:stream";

/** The streams and the environment of a command; tests have their own. */
export interface Io {
  readonly env: NodeJS.ProcessEnv;
  readonly stdin: Readable;
  /** Writes to standard output as it is. */
  readonly print: (output: string | Uint8Array) => void;
  /** Writes a line to standard error. */
  readonly note: (line: string) => void;
}

/** Wraps the streams of a process. */
export const ioOf = (
  env: NodeJS.ProcessEnv,
  { stdin, stdout, stderr }: { readonly stdin: Readable; readonly stdout: Writable; readonly stderr: Writable },
): Io => ({
  env,
  stdin,
  print: (output) => void stdout.write(output),
  note: (line) => void stderr.write(`${line}\n`),
});

/** All of standard input. */
export async function readAll(stdin: Readable): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stdin) chunks.push(chunk as Uint8Array);
  return Buffer.concat(chunks);
}

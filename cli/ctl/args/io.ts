// Where a command reads from and writes to.
import type { Readable, Writable } from "node:stream";

export interface Io {
  readonly env: NodeJS.ProcessEnv;
  readonly stdin: Readable;
  /** Writes to standard output as it is. */
  readonly print: (output: string | Uint8Array) => void;
  /** Writes a line to standard error. */
  readonly note: (line: string) => void;
}

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

// minietcdctl watch
import type { Command } from "commander";
import { bytesOf, exitCodes, Failure, type Io, linesOf, decodeLine, splitWords } from "../args/index.js";
import type { Printer, WatchAnswer } from "../output/index.js";
import { withSession, type Session } from "./session.js";
import { Watches } from "./watch-answers.js";
import { runForEvent } from "./watch-exec.js";
import {
  KeysFailure,
  keysFromEnv,
  watchLineRequest,
  watchRequest,
  type WatchArguments,
  type WatchFlags,
  type WatchRequest,
} from "./watch-request.js";

/** Prints changes until the server ends the watch; with `-i`, for each line of standard input. */
export async function runWatch(command: Command, io: Io): Promise<void> {
  const flags = command.opts<WatchFlags>();
  const fromEnv = keysFromEnv(io.env);
  if (flags.interactive) return withSession(command, io, (session) => runInteractive(session, io, fromEnv));
  const request = watchRequest(flags, argumentsOf(command), fromEnv, utf8);
  await withSession(command, io, async ({ client, printer }) => {
    await show(new Watches(client).answers(request), request.exec, printer, io);
    throw new Failure(exitCodes.interrupted, "watch is canceled by the server");
  });
}

const utf8 = (text: string): Uint8Array => Buffer.from(text);

/** Splits the arguments at `--`, which the program passes on for `watch`: the words after it are a command, not keys. */
function argumentsOf({ args }: Command): WatchArguments {
  const dashes = args.indexOf("--");
  return dashes < 0 ? { positional: args } : { positional: args.slice(0, dashes), afterDashes: args.slice(dashes + 1) };
}

/** Prints all answers, until the server cancels the watch. */
async function show(
  answers: AsyncIterable<WatchAnswer>,
  exec: readonly string[],
  printer: Printer,
  io: Io,
): Promise<void> {
  for await (const answer of answers) {
    const { header, events, canceled } = answer;
    if (canceled) io.note(`watch was canceled (${reasonOf(answer)})`);
    else if (events.length === 0) io.print(`progress notify: ${header.revision}\n`);
    printer.watch(answer);
    if (exec.length > 0) for (const event of events) await runForEvent(exec, event, header.revision, io);
  }
}

function reasonOf({ refusal, compactRevision }: WatchAnswer): string {
  if (refusal !== undefined) return refusal;
  const what = compactRevision > 0 ? "has been compacted" : "is a future revision";
  return `etcdserver: mvcc: required revision ${what}`;
}

/** Runs a watch for each line of standard input, all at the same time, until the input ends, or a watch fails. */
async function runInteractive({ client, printer }: Session, io: Io, fromEnv: readonly string[]): Promise<void> {
  const watches = new Watches(client);
  let fail: (error: unknown) => void = () => undefined;
  const failed = new Promise<never>((_, reject) => (fail = reject));
  const start = (request: WatchRequest) => {
    show(watches.answers(request), request.exec, printer, io).catch(fail);
  };
  const readLines = async () => {
    for await (const line of linesOf(io.stdin)) {
      const asked = readLine(line, fromEnv);
      if (asked === "progress") watches.requestProgress();
      else if ("watch" in asked) start(asked.watch);
      else io.note(asked.complaint);
    }
    throw new Failure(exitCodes.invalidInput, "error reading watch request line: EOF");
  };
  try {
    await Promise.race([failed, readLines()]);
  } finally {
    io.stdin.destroy();
  }
}

/** A line of standard input: a watch, a request for progress, or a complaint about a line that is neither. */
type InputLine = { readonly watch: WatchRequest } | "progress" | { readonly complaint: string };

/** Reads a line. @throws Failure if its flags are invalid */
function readLine(line: string, fromEnv: readonly string[]): InputLine {
  const [name, ...words] = splitWords(line);
  const complaintOf = (reason: string) => ({ complaint: `Invalid command ${decodeLine(line)} (${reason})` });
  if (name === "progress") return name;
  if (name === undefined) return { complaint: `Invalid command: ${decodeLine(line)} (watch and progress supported)` };
  if (name !== "watch") return complaintOf("only support watch");
  if (words.length === 0 && fromEnv.length === 0) return complaintOf("command type or key is not provided");
  try {
    return { watch: watchLineRequest(words, fromEnv, bytesOf) };
  } catch (error) {
    if (!(error instanceof KeysFailure)) throw error;
    return complaintOf(error.message);
  }
}

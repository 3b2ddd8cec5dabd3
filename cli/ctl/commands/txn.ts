// minietcdctl txn
import { Command } from "commander";
import { booleanFlag, exitCodes, Failure, type Io, linesOf } from "../args/index.js";
import { withSession } from "./session.js";
import { parseCompare, parseOp } from "./txn-language.js";

const examples = `
Reads three blocks from standard input, each ended by an empty line: conditions, requests to run if all hold, requests to run
otherwise. A condition is target("key") OP "value": the target is ver, create, mod, val or lease; OP is =, !=, < or >.
Requests are written like get, put and del commands, with their flags.

Example:
  $ printf 'mod("counter") = "7"\\n\\nput counter 8\\n\\nget counter\\n\\n' | minietcdctl txn`;

/** Declares `txn`, with its help. */
export const txnCommand = (): Command =>
  new Command("txn")
    .description("Runs a transaction: compares keys, then runs one of two lists of requests")
    .addOption(booleanFlag("-i, --interactive", "prompt for each block"))
    .addHelpText("after", examples);

/** Reads a transaction from standard input and runs it. */
export async function runTxn(command: Command, io: Io): Promise<void> {
  if (command.args.length > 0) throw new Failure(exitCodes.badArguments, "txn command does not accept argument");
  const { interactive } = command.opts<{ interactive: boolean }>();
  const lines = linesOf(io.stdin);
  const block = async <Step>(prompt: string, parse: (line: string) => Step): Promise<Step[]> => {
    if (interactive) io.print(`${prompt}:\n`);
    const steps: Step[] = [];
    for (;;) {
      const next = await lines.next();
      if (next.done) throw new Failure(exitCodes.invalidInput, "EOF");
      const line = next.value.replace(/^[ \t\r\f\v]+|[ \t\r\f\v]+$/g, "");
      if (line === "") return steps;
      steps.push(parse(line));
    }
  };
  const compare = await block("compares", parseCompare);
  const success = await block("success requests (get, put, del)", parseOp);
  const failure = await block("failure requests (get, put, del)", parseOp);
  await withSession(command, io, async ({ client, printer, limits }) => {
    printer.txn(await client.kv.txn({ compare, success, failure }, limits));
  });
}

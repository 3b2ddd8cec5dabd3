// The two servers with the keys and users of the matrix, and the calls of a cell on both.
import type { TestContext } from "node:test";
import type { Outcome } from "./calls.js";
import { type Cell, Comparison } from "./cells.js";
import { matrixUsers } from "./grants.js";
import { masks } from "./matrix-masks.js";
import { others, setUp, type Tokens } from "./matrix-setup.js";
import { type Both, callBoth, Servers } from "./servers.js";

/** All users of the matrix. */
export const users: readonly string[] = [...matrixUsers.map(({ name }) => name), ...Object.values(others)];

/** Whether all cells are tried. */
export const asksForAll = process.env["CELLS"] === "all";

/** Step through the cells; it divides neither the number of users nor that of shapes. */
const step = asksForAll ? 1 : 7;
const first = Number(process.env["SEED"] ?? 1) % step;

/** Returns every seventh item, or all. */
export const everySeventhOf = <T>(all: readonly T[]): T[] => all.filter((_, index) => index % step === first);

/** Returns answers without messages: of concurrent calls, and of calls about the server itself, only code and text can be compared. */
export const omitMessages = ([etcd, ours]: Both<Outcome>): Both<Outcome> => [
  { ...etcd, messages: [] },
  { ...ours, messages: [] },
];

export class Matrix implements AsyncDisposable {
  private constructor(
    readonly servers: Servers,
    readonly tokens: Both<Tokens>,
  ) {}

  static async start(): Promise<Matrix> {
    const servers = await Servers.start();
    return new Matrix(servers, await callBoth(servers.callers, setUp));
  }

  /** Calls both servers for a cell. */
  readonly ask = ({ user, call }: Cell): Promise<Both<Outcome>> =>
    callBoth(this.servers.callers, (caller, position) =>
      caller.call({ ...call, token: this.tokens[position].get(user) }),
    );

  [Symbol.asyncDispose](): Promise<void> {
    return this.servers[Symbol.asyncDispose]();
  }
}

/**
 * Compares the answers to the cells that `run` tries.
 * @throws AssertionError if answers differ
 */
export async function compare(t: TestContext, run: (comparison: Comparison) => Promise<void>): Promise<void> {
  const comparison = new Comparison(masks);
  await run(comparison);
  t.diagnostic(comparison.summary);
  comparison.assertAlike();
}

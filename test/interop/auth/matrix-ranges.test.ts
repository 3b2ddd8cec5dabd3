// The matrix operation × user × range of keys: the answer to each cell is that of etcd 3.7.
// Every seventh cell is tried, others with another SEED=…; CELLS=all tries all 58 000.
import { after, before, test } from "node:test";
import type { Call, Caller, Outcome } from "./calls.js";
import type { Cell } from "./cells.js";
import { everySeventhOf, compare, Matrix, users, omitMessages } from "./matrix.js";
import { restoreKeys } from "./matrix-setup.js";
import { carefulPuts, deletions, interval, type Operation, puts, reads, watches } from "./operations.js";
import { callBoth } from "./servers.js";
import { keyShapes, type Shape, shapes } from "./shapes.js";

let matrix: Matrix;

before(async () => {
  matrix = await Matrix.start();
});

after(() => matrix[Symbol.asyncDispose]());

const cellsOf = (operations: readonly Operation[], over: readonly Shape[]): Cell[] =>
  everySeventhOf(
    operations.flatMap(({ name: operation, method, fields }) =>
      over.flatMap((shape) => {
        const request = fields(interval(shape));
        return users.map((user): Cell => ({ operation, user, shape: shape.name, call: { method, fields: request } }));
      }),
    ),
  );

const askForCode = async (cell: Cell) => omitMessages(await matrix.ask(cell));

test("reads of each user and interval have the same outcome on etcd and on minietcd", (t) =>
  compare(t, (comparison) => comparison.compare(cellsOf(reads, shapes), matrix.ask)));

/** Creates all watchers of a user on one stream, and returns the answers. */
async function watchAs(caller: Caller, token: string | undefined, calls: readonly Call[]): Promise<Outcome[]> {
  const stream = caller.open({ method: "Watch/Watch", token });
  const outcomes: Outcome[] = [];
  for (const { fields } of calls) {
    stream.send({ requestUnion: { $case: "createRequest", value: fields } });
    outcomes.push(await stream.next((message) => message["created"] === true));
  }
  stream.close();
  return outcomes;
}

test("watches of each user and interval have the same outcome on etcd and on minietcd", (t) =>
  compare(t, async (comparison) => {
    const cells = cellsOf(watches, shapes);
    const ask = async (user: string) => {
      const own = cells.filter((cell) => cell.user === user);
      const calls = own.map(({ call }) => call);
      const [etcd, ours] = await callBoth(matrix.servers.callers, (caller, position) =>
        watchAs(caller, matrix.tokens[position].get(user), calls),
      );
      own.forEach((cell, index) => {
        comparison.note(cell, [etcd[index]!, ours[index]!]);
      });
    };
    await Promise.all(users.map(ask));
  }));

test("puts that keep the value or lease have the same outcome for each user on etcd and on minietcd", (t) =>
  compare(t, (comparison) => comparison.compare(cellsOf(carefulPuts, keyShapes), askForCode)));

test("puts of each user and key have the same outcome on etcd and on minietcd", (t) =>
  compare(t, (comparison) => comparison.compare(cellsOf(puts, keyShapes), askForCode)));

test("deletions of each user and interval have the same outcome on etcd and on minietcd", async (t) => {
  await compare(t, (comparison) => comparison.compare(cellsOf(deletions, shapes), askForCode));
  await callBoth(matrix.servers.callers, (caller, position) => restoreKeys(caller, matrix.tokens[position]));
});

// The matrix operation × user × range of keys: each cell is answered as by etcd 3.7.
//
// Every seventh cell is asked for, other ones with another SEED=…; CELLS=all asks for all 58 000.
import { after, before, test, type TestContext } from "node:test";
import type { Call, Caller, Outcome } from "./calls.js";
import { type Cell, Comparison } from "./cells.js";
import { matrixUsers } from "./grants.js";
import { masks } from "./matrix-masks.js";
import { others, restoreKeys, setUp, type Tokens } from "./matrix-setup.js";
import { carefulPuts, deletions, interval, type Operation, puts, reads, watches } from "./operations.js";
import { type Both, both, Servers } from "./servers.js";
import { keyShapes, type Shape, shapes } from "./shapes.js";

let servers: Servers;
let tokens: Both<Tokens>;

before(async () => {
  servers = await Servers.start();
  tokens = await both(servers.callers, setUp);
});

after(() => servers[Symbol.asyncDispose]());

const users = [...matrixUsers.map(({ name }) => name), ...Object.values(others)];

/** Divides neither the number of users nor that of shapes. */
const step = process.env["CELLS"] === "all" ? 1 : 7;
const first = Number(process.env["SEED"] ?? 1) % step;

const cellsOf = (operations: readonly Operation[], over: readonly Shape[]): Cell[] =>
  operations
    .flatMap(({ name: operation, method, fields }) =>
      over.flatMap((shape) => {
        const request = fields(interval(shape));
        return users.map((user): Cell => ({ operation, user, shape: shape.name, call: { method, fields: request } }));
      }),
    )
    .filter((_, index) => index % step === first);

const ask = (cell: Cell): Promise<Both<Outcome>> =>
  both(servers.callers, (caller, position) => caller.call({ ...cell.call, token: tokens[position].get(cell.user) }));

/** Only code and text: what is written at the same time comes in any order. */
const withoutMessages = async (cell: Cell): Promise<Both<Outcome>> => {
  const [etcd, ours] = await ask(cell);
  return [
    { ...etcd, messages: [] },
    { ...ours, messages: [] },
  ];
};

async function compare(t: TestContext, cells: readonly Cell[], how: typeof ask): Promise<void> {
  const comparison = new Comparison(masks);
  await comparison.compare(cells, how);
  t.diagnostic(comparison.summary);
  comparison.assertAlike();
}

test("reads", (t) => compare(t, cellsOf(reads, shapes), ask));

/** All watchers of a user are created on one stream: what each is answered is compared. */
async function watchAs(caller: Caller, token: string | undefined, calls: readonly Call[]): Promise<Outcome[]> {
  const stream = caller.open("Watch/Watch", token);
  const outcomes: Outcome[] = [];
  for (const { fields } of calls) {
    stream.send({ requestUnion: { $case: "createRequest", value: fields } });
    outcomes.push(await stream.next((message) => message["created"] === true));
  }
  stream.close();
  return outcomes;
}

test("watches", async (t) => {
  const comparison = new Comparison(masks);
  const cells = cellsOf(watches, shapes);
  await Promise.all(
    users.map(async (user) => {
      const own = cells.filter((cell) => cell.user === user);
      const calls = own.map(({ call }) => call);
      const [etcd, ours] = await both(servers.callers, (caller, position) =>
        watchAs(caller, tokens[position].get(user), calls),
      );
      own.forEach((cell, index) => comparison.note(cell, [etcd[index]!, ours[index]!]));
    }),
  );
  t.diagnostic(comparison.summary);
  comparison.assertAlike();
});

test("puts that keep what there is", (t) => compare(t, cellsOf(carefulPuts, keyShapes), withoutMessages));

test("puts", (t) => compare(t, cellsOf(puts, keyShapes), withoutMessages));

test("deletions", async (t) => {
  await compare(t, cellsOf(deletions, shapes), withoutMessages);
  await both(servers.callers, (caller, position) => restoreKeys(caller, tokens[position]));
});

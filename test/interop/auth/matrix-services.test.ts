// The matrix call × user, and lease × keys × user: the answer to each cell is that of etcd 3.7.
// Every seventh cell of a lease is tried, others with another SEED=…, and the calls of some users; CELLS=all tries all.
import { after, before, test } from "node:test";
import type { Call, Caller, Outcome } from "./calls.js";
import type { Cell } from "./cells.js";
import { changes, furnish, type LeaseOperation, looks, type MatrixLease, matrixLeases } from "./lease-cells.js";
import { asksForAll, everySeventhOf, compare, Matrix, users, omitMessages } from "./matrix.js";
import { others } from "./matrix-setup.js";
import { ownAnswers, serviceCalls } from "./service-cells.js";
import { callBoth, succeed } from "./servers.js";

let matrix: Matrix;

before(async () => {
  matrix = await Matrix.start();
});

after(() => matrix[Symbol.asyncDispose]());

/** Makes calls as root on both servers. */
const asRoot = (calls: readonly Call[]) =>
  callBoth(matrix.servers.callers, (caller, position) => {
    const token = matrix.tokens[position].get(others.root);
    return succeed(
      caller,
      calls.map((each) => ({ ...each, token })),
    );
  });

const cellOf = (operation: LeaseOperation, lease: MatrixLease, user: string): Cell => ({
  operation: operation.name,
  user,
  shape: lease.name,
  call: { method: operation.method, fields: operation.fields(lease) },
});

test("reads of leases by each user have the same outcome on etcd and on minietcd", async (t) => {
  await asRoot(matrixLeases.flatMap(furnish));
  const cells = everySeventhOf(
    looks.flatMap((operation) => matrixLeases.flatMap((lease) => users.map((user) => cellOf(operation, lease, user)))),
  );
  await compare(t, (comparison) => comparison.compare(cells, async (cell) => omitMessages(await matrix.ask(cell))));
});

async function keepAlive(caller: Caller, token: string | undefined, id: bigint): Promise<Outcome> {
  const stream = caller.open({ method: "Lease/LeaseKeepAlive", token });
  stream.send({ ID: id });
  const outcome = await stream.next();
  stream.close();
  return outcome;
}

test("keep-alives of leases by each user have the same outcome on etcd and on minietcd", (t) =>
  compare(t, async (comparison) => {
    const cells = [...matrixLeases, { name: "no lease", id: 99n, keys: [] }].flatMap((lease) =>
      users.map((user) =>
        cellOf({ name: "keep alive", method: "Lease/LeaseKeepAlive", fields: ({ id }) => ({ ID: id }) }, lease, user),
      ),
    );
    await comparison.compare(everySeventhOf(cells), ({ user, call }) =>
      callBoth(matrix.servers.callers, (caller, position) =>
        keepAlive(caller, matrix.tokens[position].get(user), (call.fields as { ID: bigint }).ID),
      ),
    );
  }));

/** Grants a lease again and attaches its keys. */
const furnishAgain = async (lease: MatrixLease) => {
  const revocation: Call = { method: "Lease/LeaseRevoke", fields: { ID: lease.id } };
  await callBoth(matrix.servers.callers, (caller, position) =>
    caller.call({ ...revocation, token: matrix.tokens[position].get(others.root) }),
  );
  await asRoot([{ method: "KV/Put", fields: { key: Buffer.from("k") } }, ...furnish(lease)]);
};

test("changes of leases by each user have the same outcome on etcd and on minietcd", (t) =>
  compare(t, async (comparison) => {
    const cellsOf = (lease: MatrixLease) =>
      changes.flatMap((operation) => users.map((user) => cellOf(operation, lease, user)));
    for (const lease of matrixLeases)
      for (const cell of everySeventhOf(cellsOf(lease))) {
        const outcomes = omitMessages(await matrix.ask(cell));
        comparison.note(cell, outcomes);
        if (outcomes.some(({ code }) => code === 0)) await furnishAgain(lease);
      }
  }));

/** One user of each kind. */
const callers = asksForAll
  ? users
  : ["nothing", "read everything", "write range", "readwrite everything", ...Object.values(others)];

test("calls of every service have the same outcome on etcd and on minietcd, for one user of each kind", (t) =>
  compare(t, async (comparison) => {
    for (const user of callers)
      for (const [operation, call] of Object.entries(serviceCalls(user))) {
        const cell: Cell = { operation, user, call };
        const outcomes = await matrix.ask(cell);
        comparison.note(cell, ownAnswers.has(operation) ? omitMessages(outcomes) : outcomes);
      }
  }));

test("AuthDisable has the same outcome on etcd and on minietcd, for each user", (t) =>
  compare(t, async (comparison) => {
    const call: Call = { method: "Auth/AuthDisable", fields: {} };
    const last = users.filter((user) => user !== others.root && user !== others.admin);
    for (const user of [...last, others.admin, others.root]) {
      const cell: Cell = { operation: "disable", user, call };
      comparison.note(cell, await matrix.ask(cell));
    }
  }));

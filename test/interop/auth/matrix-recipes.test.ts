// The matrix user × name of a lock or an election: the answer to each step of each recipe is that of etcd 3.7.
// Every seventh recipe is played, others with another SEED=…; CELLS=all plays all.
import { after, before, test } from "node:test";
import type { Call, Caller, Fields, Outcome } from "./calls.js";
import type { Cell } from "./cells.js";
import { compare, Matrix, everySeventhOf, users } from "./matrix.js";
import { others } from "./matrix-setup.js";
import { bytes } from "./operations.js";
import { callBoth, succeed } from "./servers.js";

let matrix: Matrix;

before(async () => {
  matrix = await Matrix.start();
});

after(() => matrix[Symbol.asyncDispose]());

/** Prefixes of names: a lock's keys begin with its name. The number is not seven, because every seventh recipe is played. */
const names = ["e", "f", "f/", "g", "h", "l", "p", ""];

interface Recipe {
  readonly name: Uint8Array;
  readonly lease: bigint;
  /** Key with which root holds the election. */
  readonly held: Uint8Array;
}

/** Steps by name. Each gets the key that the previous step created, if any. */
const steps: Readonly<Record<string, (recipe: Recipe, key: Uint8Array | undefined) => Call>> = {
  lock: ({ name, lease }) => ({ method: "Lock/Lock", fields: { name, lease } }),
  unlock: ({ held }, key) => ({ method: "Lock/Unlock", fields: { key: key ?? held } }),
  "leader of none": ({ name }) => ({ method: "Election/Leader", fields: { name } }),
  campaign: ({ name, lease }) => ({ method: "Election/Campaign", fields: { name, lease, value: bytes("1") } }),
  leader: ({ name }) => ({ method: "Election/Leader", fields: { name } }),
  proclaim: ({ name, lease, held }, key) => ({
    method: "Election/Proclaim",
    fields: { leader: { name, lease, key: key ?? held, rev: 1n }, value: bytes("2") },
  }),
  resign: ({ name, lease, held }, key) => ({
    method: "Election/Resign",
    fields: { leader: { name, lease, key: key ?? held, rev: 1n } },
  }),
};

const keyOf = ({ messages: [message] }: Outcome): Uint8Array | undefined =>
  (message?.["key"] ?? (message?.["leader"] as Fields | undefined)?.["key"]) as Uint8Array | undefined;

/** Plays a recipe on one server. Returns the outcomes in the order of the steps. */
async function play(caller: Caller, token: string | undefined, recipe: Recipe): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  let key: Uint8Array | undefined;
  for (const step of Object.values(steps)) {
    const outcome = await caller.call({ ...step(recipe, key), token });
    key = keyOf(outcome) ?? key;
    outcomes.push({ ...outcome, messages: [] });
  }
  return outcomes;
}

test("locks and elections of each user have the same outcome on etcd and on minietcd", (t) =>
  compare(t, async (comparison) => {
    const recipes = everySeventhOf(
      users.flatMap((user, column) =>
        names.map((beginning, row) => ({ user, beginning, number: 1 + column * names.length + row })),
      ),
    );
    const run = async ({ user, beginning, number }: (typeof recipes)[number]) => {
      const name = bytes(`${beginning}${number}`);
      const recipe: Recipe = { name, lease: BigInt(number), held: name };
      const [etcd, ours] = await callBoth(matrix.servers.callers, async (caller, position) => {
        const root = matrix.tokens[position].get(others.root);
        await succeed(caller, [{ method: "Lease/LeaseGrant", fields: { ID: recipe.lease, TTL: 1_000n }, token: root }]);
        return play(caller, matrix.tokens[position].get(user), recipe);
      });
      Object.entries(steps).forEach(([operation, step], index) => {
        const cell: Cell = { operation, user, shape: beginning, call: step(recipe, undefined) };
        comparison.note(cell, [etcd[index]!, ours[index]!]);
      });
    };
    for (let next = 0; next < recipes.length; next += 16) await Promise.all(recipes.slice(next, next + 16).map(run));
  }));

test("an observer of an election gets the same first answer on etcd and on minietcd, for each user", (t) =>
  compare(t, async (comparison) => {
    const name = bytes("f/observed");
    await callBoth(matrix.servers.callers, (caller, position) => {
      const token = matrix.tokens[position].get(others.root);
      return succeed(caller, [
        { method: "Lease/LeaseGrant", fields: { ID: 10_000n, TTL: 1_000n }, token },
        { method: "Election/Campaign", fields: { name, lease: 10_000n, value: bytes("1") }, token },
      ]);
    });
    const call: Call = { method: "Election/Observe", fields: { name } };
    for (const user of users) {
      const [etcd, ours] = await callBoth(matrix.servers.callers, (caller, position) =>
        caller.callForFirst({ ...call, token: matrix.tokens[position].get(user) }),
      );
      comparison.note({ operation: "observe", user, call }, [
        { ...etcd, messages: [] },
        { ...ours, messages: [] },
      ]);
    }
  }));

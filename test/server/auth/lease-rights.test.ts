// The right to a lease, which is the right to all keys attached to it, without a check of each.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Permission_Type } from "../../../proto/index.js";
import { AuthState } from "../../../server/auth/auth-state.js";
import { type LeasedKeys, Rights } from "../../../server/auth/rights.js";
import { Leases } from "../../../store/mvcc/leases.js";
import { toLeaseId } from "../../../testing/ids.js";

const lease = toLeaseId(1n);
const other = toLeaseId(2n);
const none = toLeaseId(0n);
const hashedPassword = Buffer.from("hash").toString("base64");
const bytes = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text));

interface Grant {
  readonly permType: Permission_Type;
  readonly key: string;
  readonly rangeEnd: string;
}

/** Returns a state with authentication on, and the user ann with these permissions. */
const stateWith = (grants: readonly Grant[]): AuthState => {
  const state = new AuthState();
  for (const name of ["root", "ann"]) {
    state.addUser({ name, password: "", options: undefined, hashedPassword });
    if (name !== "root") state.addRole(name);
    state.grantRole(name, name);
  }
  for (const { permType, key, rangeEnd } of grants)
    state.grantPermission({ name: "ann", perm: { permType, key: bytes(key), rangeEnd: bytes(rangeEnd) } });
  state.enable();
  return state;
};

const rightsIn = (state: AuthState, name = "ann"): Rights => new Rights(state, { name, revision: state.revision });

/** Returns the keys of leases in the form that a store has. */
const keysOf = (leases: Leases): LeasedKeys => ({
  firstAttachedKey: (id, from) => leases.findKeyFrom(id, from),
});

const newLeases = (): Leases => {
  const leases = new Leases();
  for (const id of [lease, other]) leases.add({ id, ttlSeconds: 60, generation: 1 });
  return leases;
};

const isAllowed = (check: () => void): boolean => {
  try {
    check();
    return true;
  } catch (error) {
    assert.equal((error as { code?: string }).code, "permission-denied");
    return false;
  }
};

const keys = ["a", "a\0", "aa", "b", "b1", "c", "d"];
const grant = fc
  .record({
    permType: fc.constantFrom(Permission_Type.READ, Permission_Type.WRITE, Permission_Type.READWRITE),
    ends: fc.uniqueArray(fc.constantFrom(...keys, "e"), { minLength: 2, maxLength: 2 }),
  })
  .map(({ permType, ends }): Grant => {
    const [key = "", rangeEnd = ""] = ends.sort();
    return { permType, key, rangeEnd };
  });
/** Attaches a key to a lease, or detaches it. */
const move = fc.record({ key: fc.constantFrom(...keys), to: fc.constantFrom(lease, lease, other, none) });

test("a user has the right to a lease if it has the right to each of its keys", () => {
  fc.assert(
    fc.property(fc.array(grant, { maxLength: 4 }), fc.array(move, { maxLength: 20 }), (grants, moves) => {
      const state = stateWith(grants);
      const leases = newLeases();
      const holders = new Map<string, typeof lease>();
      for (const { key, to } of moves) {
        leases.move(key, { from: holders.get(key) ?? none, to });
        holders.set(key, to);
        const rights = rightsIn(state);
        const attached = leases.listKeys(lease);
        const mayWrite = attached.every((each) => isAllowed(() => rights.checkWrite(keyOnly(each))));
        const mayRead = attached.every((each) => isAllowed(() => rights.checkRead(keyOnly(each))));
        assert.equal(
          isAllowed(() => rights.checkLeaseWrite(lease, keysOf(leases))),
          mayWrite,
        );
        assert.equal(
          isAllowed(() => rights.checkLeaseRead(lease, keysOf(leases))),
          mayRead,
        );
        assert.ok(isAllowed(() => rightsIn(state, "root").checkLeaseWrite(lease, keysOf(leases))));
      }
    }),
  );
});

const keyOnly = (key: string) => ({ key: bytes(key), rangeEnd: new Uint8Array() });

test("the check of a lease looks at each of the user's ranges, and not at each key", () => {
  const ranges = ["a", "c", "e"].map((key) => ({
    permType: Permission_Type.READWRITE,
    key,
    rangeEnd: `${key}z`,
  }));
  const state = stateWith(ranges);
  const leases = newLeases();
  for (let n = 0; n < 3_000; n++) leases.move(`${"ace"[n % 3] ?? ""}${n}`, { from: none, to: lease });
  let looks = 0;
  const counted: LeasedKeys = {
    firstAttachedKey: (id, from) => {
      looks += 1;
      return leases.findKeyFrom(id, from);
    },
  };
  rightsIn(state).checkLeaseWrite(lease, counted);
  rightsIn(state).checkLeaseRead(lease, counted);
  assert.ok(looks <= 2 * (ranges.length + 1), `${looks} looks`);
});

test("a lease without keys needs no right to keys", () => {
  const state = stateWith([{ permType: Permission_Type.READWRITE, key: "a", rangeEnd: "b" }]);
  const leases = newLeases();
  leases.move("z", { from: none, to: lease });
  assert.ok(!isAllowed(() => rightsIn(state).checkLeaseWrite(lease, keysOf(leases))));
  leases.move("z", { from: lease, to: none });
  assert.ok(isAllowed(() => rightsIn(state).checkLeaseWrite(lease, keysOf(leases))));
  leases.move("a", { from: none, to: lease });
  assert.deepEqual(leases.copy().listKeys(lease), ["a"]);
});

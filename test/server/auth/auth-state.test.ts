// The state of users and roles: etcd's checks of each change, its rows, and its bounds.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Permission_Type } from "../../../proto/index.js";
import { readAuthRows } from "../../../server/auth/auth-rows.js";
import { AuthState, maxAuthBytes, maxPermissions } from "../../../server/auth/auth-state.js";
import { ServerError } from "../../../server/base/errors.js";
import type { TableRow } from "../../../store/index.js";

const { READ, WRITE, READWRITE } = Permission_Type;
const hash = Buffer.from("hash").toString("base64");
const bytes = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text));

const text = (value: Uint8Array): string => Buffer.from(value).toString();

const codeOf = (change: () => unknown): string => {
  try {
    change();
    return "ok";
  } catch (error) {
    assert.ok(error instanceof ServerError, String(error));
    return error.code;
  }
};

const addUser = (state: AuthState, name: string, hashedPassword = hash): void =>
  state.addUser({ name, password: "", options: undefined, hashedPassword });

const grant = (state: AuthState, name: string, permType: Permission_Type, key: string, rangeEnd = ""): void =>
  state.grantPermission({ name, perm: { permType, key: bytes(key), rangeEnd: bytes(rangeEnd) } });

const permissionsOf = (state: AuthState, role: string): unknown[] =>
  state.requireRole(role).keyPermission.map(({ permType, key, rangeEnd }) => [permType, text(key), text(rangeEnd)]);

/** Returns a state with the user and role root, and authentication on. */
const enabledState = (): AuthState => {
  const state = new AuthState();
  addUser(state, "root");
  state.grantRole("root", "root");
  state.enable();
  return state;
};

const sourceOf = (rows: readonly TableRow[]) => ({
  table: (name: string) => new Map(rows.filter(({ table }) => table === name).map(({ key, row }) => [key, row])),
});

test("authentication can be enabled only if a user root has the role root", () => {
  const state = new AuthState();
  assert.equal(
    codeOf(() => state.enable()),
    "root-user-missing",
  );
  addUser(state, "root");
  assert.equal(
    codeOf(() => state.enable()),
    "root-role-missing",
  );
  state.grantRole("root", "root");
  const { revision } = state;
  state.enable();
  state.enable();
  assert.deepEqual([state.isEnabled, state.revision], [true, revision]);
  assert.equal(state.disable(), true);
  assert.equal(state.disable(), false);
  assert.deepEqual([state.isEnabled, state.revision], [false, revision + 1n]);
});

test("each change is refused as in etcd, and raises the revision by one otherwise", () => {
  const state = enabledState();
  const steps: readonly [change: () => unknown, code: string][] = [
    [() => addUser(state, ""), "user-name-empty"],
    [() => addUser(state, "ann"), "ok"],
    [() => addUser(state, "ann"), "user-exists"],
    [() => addUser(state, "bob", "not base64!"), "no-password-user"],
    [() => state.grantRole("bob", "r"), "user-not-found"],
    [() => state.grantRole("ann", "r"), "role-not-found"],
    [() => state.addRole(""), "role-name-empty"],
    [() => state.addRole("r"), "ok"],
    [() => state.addRole("r"), "role-exists"],
    [() => state.grantRole("ann", "r"), "ok"],
    [() => state.revokeRole("ann", "s"), "role-not-granted"],
    [() => state.revokeRole("bob", "r"), "user-not-found"],
    [() => state.grantPermission({ name: "r", perm: undefined }), "permission-not-given"],
    [() => grant(state, "s", READ, "a"), "role-not-found"],
    [() => grant(state, "r", READ, ""), "invalid-auth-management"],
    [() => grant(state, "r", READ, "b", "a"), "invalid-auth-management"],
    [() => grant(state, "r", READ, "b", "b"), "invalid-auth-management"],
    [() => grant(state, "r", READ, "b", "\0"), "ok"],
    [() => state.revokePermission({ role: "r", key: bytes("b"), rangeEnd: bytes("c") }), "permission-not-granted"],
    [() => state.revokePermission({ role: "s", key: bytes("b"), rangeEnd: bytes("\0") }), "role-not-found"],
    [() => state.revokePermission({ role: "r", key: bytes("b"), rangeEnd: bytes("\0") }), "ok"],
    [() => state.changePassword({ name: "bob", password: "", hashedPassword: hash }), "user-not-found"],
    [() => state.changePassword({ name: "ann", password: "", hashedPassword: "" }), "ok"],
    [() => state.deleteUser("root"), "invalid-auth-management"],
    [() => state.revokeRole("root", "root"), "invalid-auth-management"],
    [() => state.deleteRole("root"), "invalid-auth-management"],
    [() => state.deleteRole("s"), "role-not-found"],
    [() => state.deleteRole("r"), "ok"],
    [() => state.deleteUser("bob"), "user-not-found"],
    [() => state.deleteUser("ann"), "ok"],
  ];
  for (const [change, code] of steps) {
    const { revision } = state;
    assert.equal(codeOf(change), code, String(change));
    assert.equal(state.revision, code === "ok" ? revision + 1n : revision, String(change));
  }
});

test("granting a role that the user has already changes nothing", () => {
  const state = enabledState();
  const { revision } = state;
  state.grantRole("root", "root");
  assert.equal(state.revision, revision);
});

test("a deleted role is taken from all users; names and roles are sorted", () => {
  const state = enabledState();
  for (const role of ["s", "r", "t"]) state.addRole(role);
  for (const user of ["bob", "ann"]) {
    addUser(state, user);
    for (const role of ["t", "r", "s"]) state.grantRole(user, role);
  }
  state.deleteRole("s");
  assert.deepEqual(
    [state.userNames, state.roleNames],
    [
      ["ann", "bob", "root"],
      ["r", "t"],
    ],
  );
  for (const user of ["bob", "ann"]) assert.deepEqual(state.requireUser(user).roles, ["r", "t"]);
});

test("permissions are sorted by key, and the type of one for the same keys is replaced", () => {
  const state = enabledState();
  state.addRole("r");
  grant(state, "r", READ, "c");
  grant(state, "r", READWRITE, "a", "b");
  grant(state, "r", READWRITE, "a", "d");
  grant(state, "r", WRITE, "a", "d"); // adds a second permission and keeps the first, like etcd
  assert.deepEqual(permissionsOf(state, "r"), [
    [READWRITE, "a", "b"],
    [WRITE, "a", "d"],
    [READ, "c", ""],
  ]);
});

test("rows restore the same state, and there are no rows before the first change", () => {
  assert.deepEqual(new AuthState().rows, []);
  const state = enabledState();
  state.addRole("r");
  grant(state, "r", READ, "a", "\0");
  addUser(state, "ünal");
  state.grantRole("ünal", "r");
  const restored = new AuthState(readAuthRows(sourceOf(state.rows)));
  assert.deepEqual(restored.rows, state.rows);
  assert.deepEqual(
    [restored.isEnabled, restored.revision, restored.userNames, restored.requireUser("ünal").roles],
    [true, state.revision, ["root", "ünal"], ["r"]],
  );
  assert.equal(state.rows, state.rows, "listed once");
  const before = state.rows;
  state.addRole("s");
  assert.equal(state.rows.length, before.length + 1);
});

test("permissions and bytes are bounded; removals are not refused", () => {
  const state = enabledState();
  state.addRole("r");
  for (let n = 0; n < maxPermissions; n++) grant(state, "r", READ, `key ${n}`);
  assert.equal(
    codeOf(() => grant(state, "r", READ, "one more")),
    "auth-limit",
  );
  assert.equal(
    codeOf(() => grant(state, "r", WRITE, "key 0")),
    "ok",
  );
  const large = Buffer.alloc(maxAuthBytes / 4).toString("base64");
  for (const name of ["a", "b", "c"]) addUser(state, name, large);
  const { revision } = state;
  assert.equal(
    codeOf(() => addUser(state, "d", large)),
    "auth-limit",
  );
  assert.equal(state.revision, revision);
  state.deleteUser("a");
  addUser(state, "d", large);
});

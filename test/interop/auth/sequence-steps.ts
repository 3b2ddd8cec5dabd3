// Generated sequences of several users over gRPC and the gateway: changes of users and roles, logins, and requests with fresh, old and
// false tokens.
import fc from "fast-check";
import { choose, list, seldom, mostly } from "../differential/chance.js";
import { interval, type Interval } from "../differential/keys.js";
import { grant, keepAlive, leasedPut, listLeases, revoke, timeToLive } from "../differential/leases.js";
import { deleteRange, put, range, sort } from "../differential/operations.js";
import type { Request } from "../differential/requests.js";
import { lateOf, compactable, type Late } from "../differential/revisions.js";
import { bareCompare, readTxn, txn } from "../differential/txns.js";
import { createRequest } from "../differential/watch-requests.js";
import type { TokenHeader } from "./calls.js";
import { formNames, type TokenForm } from "./gateway-forms.js";

/** The origin of a request's token. */
export type Actor =
  | { readonly kind: "user"; readonly name: string }
  /** An earlier login, counted from the last one. */
  | { readonly kind: "login"; readonly back: number }
  | { readonly kind: "token"; readonly token: string }
  | { readonly kind: "nobody" };

/** The transport, and the place of the token. */
export type Way =
  { readonly over: "grpc"; readonly header: TokenHeader } | { readonly over: "gateway"; readonly form: TokenForm };

export interface AuthCall {
  readonly method: string;
  readonly fields: object;
}

export type Step =
  | { readonly kind: "login"; readonly way: Way; readonly name: string; readonly password: string }
  | { readonly kind: "auth"; readonly way: Way; readonly as: Actor; readonly call: AuthCall }
  | { readonly kind: "ask"; readonly way: Way; readonly as: Actor; readonly request: Late<Request> }
  /** A watcher on a stream of its own. */
  | { readonly kind: "watch"; readonly way: Way; readonly as: Actor; readonly create: Late<object> }
  /** A watcher on a gRPC stream that may have been opened earlier, with the token of that time. */
  | { readonly kind: "watch again"; readonly as: Actor; readonly stream: number; readonly create: Late<object> };

/** Users and roles at the beginning of a sequence. */
export interface Beginning {
  /** Permissions by role: `r1`, `r2`, … */
  readonly roles: readonly (readonly Permission[])[];
  /** Numbers of roles by user: `u1`, `u2`, … */
  readonly users: readonly (readonly number[])[];
  readonly enabled: boolean;
}

export interface Permission extends Interval {
  readonly permType: number;
}

/** Sequences that all begin in the same state. */
export interface AuthRound {
  readonly beginning: Beginning;
  readonly sequences: readonly (readonly Step[])[];
}

const permType = fc.constantFrom(2, 0, 1);
const permissionOf = (interval: fc.Arbitrary<Interval>): fc.Arbitrary<Permission> =>
  fc.record({ interval, permType }).map(({ interval, permType }) => ({ ...interval, permType }));
const isOpen = (end: Uint8Array) => end.length === 1 && end[0] === 0;
const isValid = ({ key, rangeEnd }: Interval) =>
  key.length > 0 && (rangeEnd.length === 0 || isOpen(rangeEnd) || Buffer.compare(key, rangeEnd) < 0);
const validPermission = permissionOf(interval.filter(isValid));

/** The permissions of a role, each for other keys: of two grants for the same keys, etcd keeps both. */
const rolePermissions = fc.uniqueArray(validPermission, {
  maxLength: 3,
  selector: ({ key, rangeEnd }) => [key, rangeEnd].map((bytes) => Buffer.from(bytes).toString("hex")).join(),
});

const beginning: fc.Arbitrary<Beginning> = fc.record({
  roles: fc.array(rolePermissions, { minLength: 3, maxLength: 3 }),
  users: fc.array(fc.subarray([0, 1, 2]), { minLength: 2, maxLength: 2 }),
  enabled: mostly(true, 12, fc.constant(false)),
});

const userName = choose(
  [8, fc.constantFrom("u1", "u2")],
  [3, fc.constantFrom("root", "u3")],
  [1, fc.constantFrom("", "missing")],
);
const roleName = choose(
  [8, fc.constantFrom("r1", "r2", "r3")],
  [2, fc.constantFrom("root", "r4")],
  [1, fc.constantFrom("", "missing")],
);
/** Passwords; all users begin with the first. */
export const passwords = ["first", "second", ""] as const;
const longPassword = "p".repeat(73);
const password = choose(
  [8, fc.constantFrom(...passwords)],
  [1, fc.constant("p".repeat(72))],
  [1, fc.constant(longPassword)],
);
/** Passwords of root, which must be able to log in: etcd accepts no login with an empty password. */
const rootPassword = fc.constantFrom(...passwords.filter((each) => each !== ""));

const call = (method: string, fields: fc.Arbitrary<object>): fc.Arbitrary<AuthCall> =>
  fields.map((fields) => ({ method: `Auth/${method}`, fields }));
const nothing = fc.constant({});

const newUser = fc
  .record({ name: userName, password, rootPassword, noPassword: seldom(5), hashed: seldom(20) })
  .map(({ name, password, rootPassword, noPassword, hashed }) => ({
    name,
    password: name === "root" ? rootPassword : password,
    ...(noPassword && name !== "root" ? { options: { noPassword } } : {}),
    ...(hashed ? { hashedPassword: "JDJhJDA0" } : {}),
  }));
const newPassword = fc
  .record({ name: userName, password, rootPassword })
  .map(({ name, password, rootPassword }) => ({ name, password: name === "root" ? rootPassword : password }));
const permission = choose([6, validPermission], [2, permissionOf(interval)]);

const authCall = choose(
  [4, call("UserAdd", newUser)],
  [3, call("UserDelete", fc.record({ name: userName }))],
  [3, call("UserChangePassword", newPassword)],
  [6, call("UserGrantRole", fc.record({ user: userName, role: roleName }))],
  [5, call("UserRevokeRole", fc.record({ name: userName, role: roleName }))],
  [3, call("UserGet", fc.record({ name: userName }))],
  [1, call("UserList", nothing)],
  [4, call("RoleAdd", fc.record({ name: roleName }))],
  [3, call("RoleDelete", fc.record({ role: roleName }))],
  [3, call("RoleGet", fc.record({ role: roleName }))],
  [1, call("RoleList", nothing)],
  [10, call("RoleGrantPermission", fc.record({ name: roleName, perm: permission }))],
  [1, call("RoleGrantPermission", fc.record({ name: roleName }))],
  [
    6,
    call(
      "RoleRevokePermission",
      fc.record({ role: roleName, interval }).map(({ role, interval }) => ({ role, ...interval })),
    ),
  ],
  [2, call("AuthEnable", nothing)],
  [1, call("AuthDisable", nothing)],
  [3, call("AuthStatus", nothing)],
);

const user = (...names: string[]): fc.Arbitrary<Actor> =>
  fc.constantFrom(...names.map((name) => ({ kind: "user" as const, name })));
const earlier: fc.Arbitrary<Actor> = fc.nat(4).map((back) => ({ kind: "login", back }));
const falseTokens = ["x", "", "AAAAAAAAAAAAAAAA.1", "AAAAAAAAAAAAAAAA.x", "A.99999999999999999999", "a b", "Bearer x"];
const stranger = choose<Actor>(
  [2, fc.constant({ kind: "nobody" })],
  [1, fc.constantFrom(...falseTokens).map((token) => ({ kind: "token", token }))],
);
const manager = choose<Actor>([12, user("root")], [2, user("u1", "u2", "u3")], [2, earlier], [1, stranger]);
const actor = choose<Actor>([12, user("u1", "u2")], [3, user("root")], [1, user("u3")], [4, earlier], [2, stranger]);

const header: fc.Arbitrary<TokenHeader> = mostly("token", 5, fc.constantFrom("authorization", "bearer"));
const form = choose<TokenForm>([5, fc.constantFrom("bare", "bearer")], [4, fc.constantFrom(...formNames)]);
const way = choose<Way>(
  [5, fc.record({ over: fc.constant("grpc"), header })],
  [2, fc.record({ over: fc.constant("gateway"), form })],
);

const requestOf = <M extends Request["method"]>(
  method: M,
  late: fc.Arbitrary<Late<Extract<Request, { method: M }>["message"]>>,
) => late.map<Late<Request>>((message) => (at) => ({ method, message: message(at) }) as Request);
const constant = <T>(messages: fc.Arbitrary<T>): fc.Arbitrary<Late<T>> => messages.map(lateOf);
const firstOf = (steps: fc.Arbitrary<readonly Late<Request>[]>) => steps.map(([request]) => request!);

const request = choose<Late<Request>>(
  [10, requestOf("range", range(sort, 4))],
  [8, requestOf("put", constant(put))],
  [6, requestOf("put", constant(leasedPut))],
  [5, requestOf("deleteRange", constant(deleteRange))],
  [8, requestOf("txn", txn)],
  [3, requestOf("txn", bareCompare)],
  [2, requestOf("txn", readTxn)],
  [
    1,
    requestOf(
      "compact",
      compactable.map((revision) => (at) => ({ revision: revision(at), physical: false })),
    ),
  ],
  [4, firstOf(grant)],
  [3, firstOf(revoke)],
  [3, firstOf(timeToLive)],
  [2, fc.constant(listLeases)],
  [2, firstOf(keepAlive)],
);

const create = createRequest.map<Late<object>>((late) => (at) => late(at));

const step = choose<Step>(
  [14, fc.record({ kind: fc.constant("ask"), way, as: actor, request })],
  [9, fc.record({ kind: fc.constant("auth"), way, as: manager, call: authCall })],
  [
    4,
    fc.record({
      kind: fc.constant("login"),
      way,
      name: userName,
      password: mostly<string>("first", 3, fc.constantFrom(...passwords, longPassword)),
    }),
  ],
  [2, fc.record({ kind: fc.constant("watch"), way, as: actor, create })],
  [1, fc.record({ kind: fc.constant("watch again"), as: actor, stream: fc.constantFrom(0, 1), create })],
);

/** Average number of sequences in a round. */
export const sequencesPerRound = 10;

/** One run of the test. */
export const authRound: fc.Arbitrary<AuthRound> = fc.record({
  beginning,
  sequences: list(list(step, 1, 24), 1, 2 * sequencesPerRound - 1),
});

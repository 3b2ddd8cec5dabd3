// The keys and users of the matrix, on one server.
import type { Call, Caller } from "./calls.js";
import { type MatrixUser, matrixUsers } from "./grants.js";
import { bytes, compactedRevision } from "./operations.js";
import { succeed } from "./servers.js";
import { keyShapes } from "./shapes.js";

/** Tokens by user name; other users call without one. */
export type Tokens = ReadonlyMap<string, string>;

/** Users without grants of their own. */
export const others = {
  root: "root",
  /** Has the role root, too. */
  admin: "admin",
  /** Deleted after its login. */
  deleted: "deleted",
  /** Has no token. */
  nobody: "(no token)",
  /** Has a token that was never issued. */
  forger: "(false token)",
} as const;

const password = "secret";
const falseToken = "AAAAAAAAAAAAAAAA.1";

/** Keys of the matrix. Each key that a role may read has a neighbour in no role. */
const keys = [...keyShapes.map(({ key }) => key).filter((key) => key !== ""), "a", "g", "k", "z"];

const call = (method: string, fields: object): Call => ({ method, fields });

const putAll = keys.map((key) => call("KV/Put", { key: bytes(key), value: bytes(`value of ${key}`) }));

const addUser = ({ name, grants }: MatrixUser): Call[] => [
  call("Auth/UserAdd", { name, password }),
  ...grants.flatMap(({ permType, key, rangeEnd }, position) => {
    const role = `${name} ${position}`;
    return [
      call("Auth/RoleAdd", { name: role }),
      call("Auth/RoleGrantPermission", { name: role, perm: { permType, key: bytes(key), rangeEnd: bytes(rangeEnd) } }),
      call("Auth/UserGrantRole", { user: name, role }),
    ];
  }),
];

const addOthers = [
  call("Auth/RoleAdd", { name: "root" }),
  ...[others.root, others.admin].flatMap((name) => [
    call("Auth/UserAdd", { name, password }),
    call("Auth/UserGrantRole", { user: name, role: "root" }),
  ]),
  call("Auth/UserAdd", { name: others.deleted, password }),
];

/** Fills an empty server, enables authentication and logs all users in. */
export async function setUp(caller: Caller): Promise<Tokens> {
  await succeed(caller, [
    ...putAll,
    call("KV/Compact", { revision: compactedRevision, physical: true }),
    ...addOthers,
    ...matrixUsers.flatMap(addUser),
    call("Auth/AuthEnable", {}),
  ]);
  const names = [others.root, others.admin, others.deleted, ...matrixUsers.map(({ name }) => name)];
  const logins = await succeed(
    caller,
    names.map((name) => call("Auth/Authenticate", { name, password })),
  );
  const tokens = new Map(names.map((name, position) => [name, String(logins[position]?.messages[0]?.["token"])]));
  tokens.set(others.forger, falseToken);
  await succeed(caller, [{ ...call("Auth/UserDelete", { name: others.deleted }), token: tokens.get(others.root) }]);
  return tokens;
}

/** Puts all keys again. */
export async function restoreKeys(caller: Caller, tokens: Tokens): Promise<void> {
  const token = tokens.get(others.root);
  await succeed(
    caller,
    putAll.map((each) => ({ ...each, token })),
  );
}

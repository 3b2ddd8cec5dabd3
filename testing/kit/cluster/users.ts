// Initial users of a test server.

import type { Client } from "../../../client/index.js";
import { checkOptions } from "../base/index.js";

/** A user other than root. */
export interface TestUser {
  readonly password: string;
  /** Prefixes of the keys that the user may read: `["app/"]`; `[""]`: all keys. Default: none. */
  readonly read?: readonly string[] | undefined;
  /** Prefixes of the keys that the user may write. Default: none. */
  readonly write?: readonly string[] | undefined;
}

/** Users of a test server. Authentication is on from its start, and again after each reset. */
export interface TestAuth {
  /** The password of the user root, which has all rights. */
  readonly root: string;
  /** Other users by name. Each user gets a role of the same name. */
  readonly users?: Readonly<Record<string, TestUser>> | undefined;
}

/**
 * Checks users, for tests in JavaScript.
 *
 * @throws TypeError for unknown names and invalid values
 */
export const checkAuth = (what: string, auth: TestAuth): void => {
  checkOptions(`${what} with this auth`, auth, ["root", "users"]);
  checkPassword(what, "root", auth.root);
  const { users = {} } = auth;
  checkOptions(`${what} with these users`, users, Object.keys(users));
  for (const [name, user] of Object.entries(users)) {
    checkOptions(`${what} with the user ${JSON.stringify(name)}`, user, ["password", "read", "write"]);
    if (name === "" || name === "root")
      throw new TypeError(`Cannot ${what}: ${JSON.stringify(name)} cannot be the name of a further user`);
    checkPassword(what, name, user.password);
    for (const prefixes of [user.read ?? [], user.write ?? []])
      if (!Array.isArray(prefixes) || prefixes.some((prefix) => typeof prefix !== "string"))
        throw new TypeError(
          `Cannot ${what}: the user ${name} has prefixes that are not a list of text, such as ["app/"]`,
        );
  }
};

const checkPassword = (what: string, name: string, password: unknown): void => {
  if (typeof password !== "string" || password === "")
    throw new TypeError(`Cannot ${what}: the user ${name} has no password`);
};

/** Adds users to an empty cluster and turns authentication on. */
export const addUsers = async ({ auth }: Client, { root, users = {} }: TestAuth): Promise<void> => {
  await auth.userAdd({ user: "root", password: root });
  await auth.roleAdd("root");
  await auth.userGrantRole({ user: "root", role: "root" });
  for (const [user, { password, read = [], write = [] }] of Object.entries(users)) {
    await auth.userAdd({ user, password });
    await auth.roleAdd(user);
    for (const key of new Set([...read, ...write]))
      await auth.roleGrantPermission({
        role: user,
        type: typeOf(read.includes(key), write.includes(key)),
        key,
        prefix: true,
      });
    await auth.userGrantRole({ user, role: user });
  }
  await auth.enable();
};

/** Returns one type for both rights, because a second grant for the same keys would replace the first. */
const typeOf = (mayRead: boolean, mayWrite: boolean): "read" | "write" | "readwrite" => {
  if (mayRead) return mayWrite ? "readwrite" : "read";
  return "write";
};

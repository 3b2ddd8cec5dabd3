// The rows of users, roles and permissions in the store's tables.

import { AuthStatus, Role, User } from "../../proto/index.js";
import type { TableRow, TableSource } from "../../store/index.js";

const tables = { status: "auth", users: "authUsers", roles: "authRoles" } as const;

/** A user or role with its row, which is encoded once. */
export interface Stored<Value> {
  readonly value: Value;
  readonly row: TableRow;
}

/** Returns a user with its row. */
export const storedUserOf = (value: User): Stored<User> => ({
  value,
  row: { table: tables.users, key: rowKeyOf(value.name), row: User.encode(value).finish() },
});

/** Returns a role with its row. */
export const storedRoleOf = (value: Role): Stored<Role> => ({
  value,
  row: { table: tables.roles, key: rowKeyOf(value.name), row: Role.encode(value).finish() },
});

/** Returns the row with the auth revision and whether authentication is on. */
export const statusRow = (status: AuthStatus): TableRow => ({
  table: tables.status,
  key: "",
  row: AuthStatus.encode(status).finish(),
});

/** The contents of the tables; without a status, there was never any change. */
export interface AuthRows {
  readonly status: AuthStatus | undefined;
  readonly users: readonly User[];
  readonly roles: readonly Role[];
}

/** Reads the tables. */
export const readAuthRows = (source: TableSource): AuthRows => {
  const status = source.table(tables.status).get("");
  return {
    status: status === undefined ? undefined : AuthStatus.decode(status),
    users: Array.from(source.table(tables.users).values(), (row) => User.decode(row)),
    roles: Array.from(source.table(tables.roles).values(), (row) => Role.decode(row)),
  };
};

const rowKeyOf = (name: Uint8Array): string => Buffer.from(name).toString("latin1");

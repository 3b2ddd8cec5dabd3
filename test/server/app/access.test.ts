// Callers with tokens of a revision of users and roles that this member does not have.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { LogIndex } from "../../../raft/index.js";
import { Access } from "../../../server/app/access.js";
import { AuthState } from "../../../server/auth/auth-state.js";
import type { TokenSource } from "../../../server/auth/identity.js";
import { assertRefused, withToken } from "./authorization-fixtures.js";

/** A token as a JSON Web Token is: it tells its revision itself. */
const tokens: TokenSource = {
  createPrefix: () => "",
  assign: () => "",
  verify: (token) => Promise.resolve({ name: "ann", revision: BigInt(token) }),
  dropUser: () => undefined,
  dropAll: () => undefined,
};

/** A member that applies users as soon as it is asked for a linearizable read. */
const accessThatApplies = (users: readonly string[]) => {
  const auth = new AuthState();
  const catchUp = (): void => {
    for (const name of users) auth.addUser({ name, password: "", options: undefined, hashedPassword: "" });
  };
  return new Access({
    applier: { auth, appliedIndex: 0 as LogIndex, whenAuthChanges: () => undefined },
    tokens,
    reads: {
      whenLinearizable: (read) => {
        catchUp();
        read.onReady();
      },
    },
  });
};

test("a token of an auth revision that this member has not applied yet is accepted once it has", async () => {
  const access = accessThatApplies(["ann", "bob"]);
  assert.deepEqual(await access.identify(withToken("3")), { name: "ann", revision: 3n });
});

test("a token of an auth revision that the cluster has not reached is refused", async () => {
  const access = accessThatApplies(["ann"]);
  await assertRefused(Promise.resolve(access.identify(withToken("3"))), "auth-revision-old");
});

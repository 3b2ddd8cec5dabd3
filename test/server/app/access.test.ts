// Callers whose tokens have an auth revision that this member has not applied yet.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { LogIndex } from "../../../raft/index.js";
import { Access } from "../../../server/app/access.js";
import { AuthState } from "../../../server/auth/auth-state.js";
import type { TokenSource } from "../../../server/auth/identity.js";
import { assertRefused, withToken } from "./authorization-fixtures.js";

/** A source of tokens that contain their auth revision, like JSON Web Tokens. */
const tokens: TokenSource = {
  createPrefix: () => "",
  assign: () => "",
  verify: (token) => Promise.resolve({ name: "ann", revision: BigInt(token) }),
  dropUser: () => undefined,
  dropAll: () => undefined,
};

/** Returns the access rules of a member that applies `users` when a linearizable read is requested. */
const accessThatApplies = (users: readonly string[]) => {
  const auth = new AuthState();
  const catchUp = (): void => {
    for (const name of users) auth.addUser({ name, password: "", options: undefined, hashedPassword: "" });
  };
  return new Access({
    applier: { auth, appliedIndex: 0 as LogIndex, addAuthListener: () => undefined },
    tokens,
    reads: {
      startRead: (read) => {
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

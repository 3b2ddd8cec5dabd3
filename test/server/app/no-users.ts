// The rights of callers while authentication is off.
import assert from "node:assert/strict";
import { AuthState } from "../../../server/auth/auth-state.js";
import { SimpleTokens } from "../../../server/auth/simple-tokens.js";
import { Access } from "../../../server/app/access.js";
import type { LogIndex } from "../../../raft/index.js";

export const noUsers = (): Access =>
  new Access({
    applier: { auth: new AuthState(), appliedIndex: 0 as LogIndex, addAuthListener: () => undefined },
    tokens: new SimpleTokens({ ttlMs: 1_000, clock: { now: () => 0 } }, () => 0),
    reads: { startRead: () => assert.fail("asked who somebody is") },
  });

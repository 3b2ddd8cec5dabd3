import assert from "node:assert/strict";
import { test } from "node:test";
import type { LogIndex } from "../../../raft/index.js";
import { AuthState } from "../../../server/auth/auth-state.js";
import { dropReplacedTokens, indexOfToken, maxTokens, SimpleTokens } from "../../../server/auth/simple-tokens.js";

const toIndex = (index: number): LogIndex => index as LogIndex;

const tokensAt = () => {
  const clock = { time: 0, now: () => clock.time };
  let last = 0;
  const tokens = new SimpleTokens({ ttlMs: 1_000, clock }, (bound) => ++last % bound);
  return { clock, tokens };
};

test("every member that applies a login accepts its token, and renews it at each use", () => {
  const [one, other] = [tokensAt(), tokensAt()];
  const prefix = one.tokens.createPrefix();
  assert.match(prefix, /^[A-Za-z]{16}$/);
  const token = one.tokens.assign("ann", 3n, prefix, toIndex(7));
  assert.equal(token, `${prefix}.7`);
  assert.equal(other.tokens.assign("ann", 3n, prefix, toIndex(7)), token);
  for (const { clock, tokens } of [one, other]) {
    clock.time = 900;
    assert.deepEqual(tokens.verify(token, 4n), { name: "ann", revision: 4n });
  }
  one.clock.time = other.clock.time = 1_800;
  assert.ok(one.tokens.verify(token, 4n));
  one.clock.time = other.clock.time = 2_801;
  assert.equal(other.tokens.verify(token, 4n), undefined, "unused for longer than its time");
  assert.equal(one.tokens.size, 1);
});

test("tokens of a user can be made invalid, and all of them", () => {
  const { tokens } = tokensAt();
  const [ann, bob] = [tokens.assign("ann", 1n, "a", toIndex(1)), tokens.assign("bob", 1n, "b", toIndex(2))];
  tokens.dropUser("ann");
  assert.equal(tokens.verify(ann, 1n), undefined);
  assert.ok(tokens.verify(bob, 1n));
  tokens.dropAll();
  assert.equal(tokens.verify(bob, 1n), undefined);
});

test("beyond the bound the least recently used tokens become invalid", () => {
  const { clock, tokens } = tokensAt();
  const first = tokens.assign("ann", 1n, "a", toIndex(1));
  clock.time = 1;
  for (let n = 2; n <= maxTokens; n++) tokens.assign("ann", 1n, "a", toIndex(n));
  assert.equal(tokens.size, maxTokens);
  assert.ok(tokens.verify(first, 1n), "used at last");
  clock.time = 2;
  assert.ok(tokens.verify(first, 1n));
  tokens.assign("ann", 1n, "a", toIndex(maxTokens + 1));
  assert.equal(tokens.size, maxTokens * 0.9 + 1);
  assert.ok(tokens.verify(first, 1n));
});

test("the index of a token is read as etcd does", () => {
  assert.equal(indexOfToken("abc.17"), 17);
  for (const other of ["abc", "abc.x", "a.b.3", "abc.", "abc.-1", ""]) assert.equal(indexOfToken(other), undefined);
});

test("tokens are dropped if a new state lacks their user, or has another password for it", () => {
  const stateWith = (passwords: Readonly<Record<string, string>>, isEnabled = true): AuthState => {
    const user = (name: string, password: string) => ({
      ...{ name: Buffer.from(name), password: Buffer.from(password), roles: ["root"], options: { noPassword: false } },
    });
    const users = Object.entries(passwords).map(([name, password]) => user(name, password));
    return new AuthState({ status: { enabled: isEnabled, revision: 9n }, users, roles: [] });
  };
  const before = stateWith({ same: "1", changed: "1", gone: "1" });
  const { tokens } = tokensAt();
  const given = ["same", "changed", "gone"].map((name, n) => tokens.assign(name, 9n, name, toIndex(n)));
  dropReplacedTokens(tokens, before, stateWith({ same: "1", changed: "2" }));
  assert.deepEqual(
    given.map((token) => tokens.verify(token, 9n)?.name),
    ["same", undefined, undefined],
  );
  dropReplacedTokens(tokens, before, stateWith({ same: "1" }, false));
  assert.equal(tokens.size, 0);
});

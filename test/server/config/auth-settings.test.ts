import assert from "node:assert/strict";
import { test } from "node:test";
import {
  authTokenWarning,
  bcryptCostWarning,
  type AuthFlags,
  defaultAuthFlags,
  readAuthSettings,
} from "../../../server/config/auth-settings.js";

const read = (flags: Partial<AuthFlags>) => readAuthSettings({ ...defaultAuthFlags, ...flags });

test("simple tokens of five minutes and a cost of 10 are the default", () => {
  assert.deepEqual(read({}), { tokens: { kind: "simple", ttlMs: 300_000 }, bcryptCost: 10 });
});

test("a TTL of 0 is the default, as in etcd", () => {
  assert.deepEqual(read({ authTokenTtl: "0" }).tokens, { kind: "simple", ttlMs: 300_000 });
  assert.deepEqual(read({ authTokenTtl: "5" }).tokens, { kind: "simple", ttlMs: 5_000 });
});

test("an empty --auth-token selects simple tokens", () => {
  assert.equal(read({ authToken: "" }).tokens.kind, "simple");
});

test("JSON Web Tokens have a method, keys and a TTL", () => {
  assert.deepEqual(read({ authToken: "jwt,pub-key=a.pub,priv-key=a.pem,sign-method=RS256,ttl=10m" }).tokens, {
    kind: "jwt",
    method: "RS256",
    publicKeyFile: "a.pub",
    privateKeyFile: "a.pem",
    ttlMs: 600_000,
  });
  assert.deepEqual(read({ authToken: "jwt,sign-method=EdDSA,priv-key=a.pem,ttl=,pub-key=" }).tokens, {
    kind: "jwt",
    method: "EdDSA",
    publicKeyFile: undefined,
    privateKeyFile: "a.pem",
    ttlMs: 300_000,
  });
});

test("malformed options are refused in etcd's words, with the reason", () => {
  const rows = [
    ["foo", /^auth: invalid auth options: --auth-token: unknown token type "foo"$/],
    [" jwt,sign-method=RS256", /unknown token type " jwt"/],
    ["simple,", /"" is not name=value/],
    ["jwt,x,sign-method=RS256", /"x" is not name=value/],
    ["jwt,sign-method=RS256=x", /"sign-method=RS256=x" is not name=value/],
    ["jwt,sign-method=RS256,sign-method=RS256", /sign-method is given twice/],
    ["jwt", /^auth: invalid auth options: --auth-token: sign-method must be one of RS256, /],
    ["jwt,sign-method=rs256,priv-key=a.pem", /sign-method must be one of/],
    ["jwt,sign-method=none", /^unsupported signing method: none$/],
    ["jwt,sign-method=RS256,ttl=abc", /invalid duration "abc"/],
  ] as const;
  for (const [authToken, message] of rows) assert.throws(() => read({ authToken }), { name: "StartError", message });
});

test("numbers that cannot be read are refused in Go's words", () => {
  assert.throws(() => read({ bcryptCost: "abc" }), {
    name: "FlagError",
    message: 'invalid value "abc" for flag -bcrypt-cost: parse error',
  });
  assert.throws(() => read({ authTokenTtl: "-1" }), { name: "FlagError" });
});

test("options without effect cause a warning", () => {
  assert.equal(authTokenWarning("jwt,sign-method=RS256,priv-key=a.pem,foo=bar,baz=1"), "unknown options: foo, baz");
  assert.equal(authTokenWarning("simple,ttl=5m"), "unknown options: ttl");
  assert.equal(authTokenWarning("jwt,sign-method=RS256,pub-key=a,priv-key=b,ttl=1m"), undefined);
  assert.equal(authTokenWarning("simple"), undefined);
});

test("a cost out of range is the default, with a warning, as in etcd", () => {
  const costs = ["0", "3", "4", "12", "31", "32"];
  assert.deepEqual(
    costs.map((bcryptCost) => read({ bcryptCost }).bcryptCost),
    [10, 10, 4, 12, 31, 10],
  );
  assert.equal(bcryptCostWarning("3"), "out of range, 10 is used");
  assert.equal(bcryptCostWarning("31"), undefined);
});

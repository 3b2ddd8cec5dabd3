// JSON Web Tokens of etcd 3.7 and minietcd with the same keys: each accepts those of the other, until they are stale.
import assert from "node:assert/strict";
import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { eventually } from "../../support/deadline.js";
import { tempFolder } from "../../support/temp-folder.js";
import type { Call, Caller, Outcome } from "./calls.js";
import { type Both, callBoth, Servers, succeed } from "./servers.js";

interface KeyPair {
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

const rsa: KeyPair = generateKeyPairSync("rsa", { modulusLength: 2048 });
const curve = (namedCurve: string): KeyPair => generateKeyPairSync("ec", { namedCurve });
const secret = "secret";

const methods: readonly (readonly [method: string, keys: KeyPair | typeof secret])[] = [
  ...["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"].map((method) => [method, rsa] as const),
  ["ES256", curve("P-256")],
  ["ES384", curve("P-384")],
  ["ES512", curve("P-521")],
  ...["HS256", "HS384", "HS512"].map((method) => [method, secret] as const),
  ["EdDSA", generateKeyPairSync("ed25519")],
];

const call = (method: string, fields: object, token?: string): Call => ({ method, fields, token });

const setUp = [
  call("Auth/UserAdd", { name: "root", password: "p" }),
  call("Auth/RoleAdd", { name: "root" }),
  call("Auth/UserGrantRole", { user: "root", role: "root" }),
  call("Auth/AuthEnable", {}),
];

/**
 * Writes the keys into a folder.
 * @returns the options with the names of the files
 */
const writeKeys = (folder: string, keys: KeyPair | typeof secret): { readonly pair: string; readonly open: string } => {
  const [priv, pub] = [join(folder, "key.pem"), join(folder, "key.pub")];
  if (keys === secret) {
    writeFileSync(priv, secret);
    return { pair: `priv-key=${priv}`, open: "" };
  }
  writeFileSync(priv, keys.privateKey.export({ type: "pkcs8", format: "pem" }));
  writeFileSync(pub, keys.publicKey.export({ type: "spki", format: "pem" }));
  return { pair: `priv-key=${priv},pub-key=${pub}`, open: `pub-key=${pub}` };
};

const logIn = (caller: Caller): Promise<Outcome> =>
  caller.call(call("Auth/Authenticate", { name: "root", password: "p" }));

const tokenOf = async (caller: Caller): Promise<string> => String((await logIn(caller)).messages[0]?.["token"]);

const partsOf = (token: string): unknown[] =>
  token
    .split(".", 2)
    .map(
      (part) =>
        JSON.parse(Buffer.from(part, "base64url").toString(), (name, value: unknown) =>
          name === "exp" ? 0 : value,
        ) as unknown,
    );

const put = (token: string): Call => call("KV/Put", { key: Buffer.from("a") }, token);

/** Calls each server with the token of the other. */
const callWithSwappedTokens = (
  servers: Servers,
  [etcd, ours]: Both<string>,
  make: (token: string) => Call,
): Promise<Both<Outcome>> =>
  callBoth(servers.callers, (caller, position) => caller.call(make(position === 0 ? ours : etcd)));

for (const [method, keys] of methods)
  test(`${method}: etcd and minietcd accept each other's tokens until users change`, async () => {
    await using folder = await tempFolder();
    const { pair } = writeKeys(folder.path, keys);
    await using servers = await Servers.start(`--auth-token=jwt,sign-method=${method},${pair},ttl=10m`);
    await callBoth(servers.callers, (caller) => succeed(caller, setUp));
    const tokens = await callBoth(servers.callers, tokenOf);
    assert.deepEqual(partsOf(tokens[1]), partsOf(tokens[0]));
    for (const { code, details } of await callWithSwappedTokens(servers, tokens, put)) assert.equal(code, 0, details);
    await callWithSwappedTokens(servers, tokens, (token) => call("Auth/RoleAdd", { name: "r" }, token));
    const [etcd, own] = await callWithSwappedTokens(servers, tokens, put);
    assert.deepEqual(own, etcd);
    assert.deepEqual([own.code, own.details], [3, "etcdserver: revision of auth store is old"]);
  });

test("a member with a public key alone issues no token, and accepts those of others", async () => {
  await using folder = await tempFolder();
  const { pair, open } = writeKeys(folder.path, rsa);
  await using makers = await Servers.start(`--auth-token=jwt,sign-method=RS256,${pair}`);
  await using verifiers = await Servers.start(`--auth-token=jwt,sign-method=RS256,${open}`);
  await callBoth(makers.callers, (caller) => succeed(caller, setUp));
  await callBoth(verifiers.callers, (caller) => succeed(caller, setUp));
  const tokens = await callBoth(makers.callers, tokenOf);
  const [etcd, ours] = await callBoth(verifiers.callers, logIn);
  assert.deepEqual(ours, etcd);
  for (const { code, details } of await callWithSwappedTokens(verifiers, tokens, put)) assert.equal(code, 0, details);
});

test("an expired token is refused with etcd's text", async () => {
  await using folder = await tempFolder();
  const { pair } = writeKeys(folder.path, rsa);
  await using servers = await Servers.start(`--auth-token=jwt,sign-method=RS256,${pair},ttl=2s`);
  await callBoth(servers.callers, (caller) => succeed(caller, setUp));
  const tokens = await callBoth(servers.callers, tokenOf);
  const ends = await callBoth(servers.callers, (caller, position) =>
    eventually(10_000, "the end of a token", async () => {
      const outcome = await caller.call(put(tokens[position]));
      return outcome.code === 0 ? undefined : outcome;
    }),
  );
  assert.deepEqual(ends[1], ends[0]);
  assert.deepEqual([ends[1].code, ends[1].details], [16, "etcdserver: invalid auth token"]);
});

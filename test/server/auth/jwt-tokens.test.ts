import assert from "node:assert/strict";
import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { SignJWT } from "jose";
import { JwtTokens, maxVerifiedTokens } from "../../../server/auth/jwt-tokens.js";
import { ServerError } from "../../../server/base/index.js";
import { jwtMethods, type JwtMethod, type JwtSettings } from "../../../server/config/index.js";

const folder = mkdtempSync(join(tmpdir(), "minietcd-jwt-"));
after(() => rmSync(folder, { recursive: true }));

const file = (name: string, content: string | Buffer): string => {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
};

const keyFiles = (name: string, { publicKey, privateKey }: Record<"publicKey" | "privateKey", KeyObject>) => ({
  privateKey,
  publicKeyFile: file(`${name}.pub`, publicKey.export({ type: "spki", format: "pem" })),
  privateKeyFile: file(`${name}.pem`, privateKey.export({ type: "pkcs8", format: "pem" })),
});

const rsa = keyFiles("rsa", generateKeyPairSync("rsa", { modulusLength: 2048 }));
const shortRsa = keyFiles("short", generateKeyPairSync("rsa", { modulusLength: 1024 }));
const curve = (namedCurve: string) => keyFiles(namedCurve, generateKeyPairSync("ec", { namedCurve }));
const [p256, p384, p521] = [curve("P-256"), curve("P-384"), curve("P-521")];
const ed25519 = keyFiles("ed25519", generateKeyPairSync("ed25519"));
const secret = { privateKeyFile: file("secret", "a secret"), publicKeyFile: undefined };
const empty = file("empty", "");

const keysOf = (method: JwtMethod) => {
  if (method === "EdDSA") return ed25519;
  if (method.startsWith("HS")) return secret;
  return method.startsWith("ES") ? { ES256: p256, ES384: p384, ES512: p521 }[method as "ES256"] : rsa;
};

let nowMs = 1_700_000_000_500;
const open = (method: JwtMethod, settings: Partial<JwtSettings> = {}): Promise<JwtTokens> => {
  const { publicKeyFile, privateKeyFile } = keysOf(method);
  const ttlMs = 600_000;
  return JwtTokens.open({ kind: "jwt", method, publicKeyFile, privateKeyFile, ttlMs, ...settings }, () => nowMs);
};

for (const method of jwtMethods)
  test(`a token of method ${method} is verified by another member, and an altered token is refused`, async () => {
    const token = await (await open(method)).assign("alice", 7n);
    const other = await open(method);
    assert.deepEqual(await other.verify(token), { name: "alice", revision: 7n });
    const [header = "", payload = "", signature = ""] = token.split(".");
    const claims = JSON.parse(Buffer.from(payload, "base64url").toString()) as object;
    assert.deepEqual(claims, { username: "alice", revision: 7, exp: 1_700_000_600 });
    const forged = Buffer.from(JSON.stringify({ ...claims, username: "root" })).toString("base64url");
    const unsigned = Buffer.from('{"alg":"none"}').toString("base64url");
    for (const wrong of [
      `${header}.${forged}.${signature}`,
      `${unsigned}.${payload}.`,
      `${header}.${payload}.`,
      "",
      "a.b.c",
    ])
      assert.equal(await other.verify(wrong), undefined);
  });

test("a token of another method with the same key is refused", async () => {
  const token = await (await open("RS256")).assign("alice", 7n);
  assert.equal(await (await open("RS512")).verify(token), undefined);
  assert.equal(await (await open("PS256")).verify(token), undefined);
});

test("a token signed by HMAC with the public key as its secret is refused", async () => {
  const tokens = await open("RS256");
  const asSecret = Buffer.from(rsa.publicKeyFile);
  const token = await new SignJWT({ username: "root", revision: 1 })
    .setProtectedHeader({ alg: "HS256" })
    .sign(asSecret);
  assert.equal(await tokens.verify(token), undefined);
});

test("a verified token is answered at once until it ends", async () => {
  const tokens = await open("ES256", { ttlMs: 10_000 });
  const token = await tokens.assign("alice", 7n);
  await tokens.verify(token);
  assert.deepEqual(tokens.verify(token), { name: "alice", revision: 7n });
  const before = nowMs;
  nowMs = 1_700_000_009_999;
  assert.deepEqual(tokens.verify(token), { name: "alice", revision: 7n });
  nowMs = 1_700_000_010_000;
  assert.equal(tokens.verify(token), undefined);
  assert.equal(tokens.size, 0);
  assert.equal(await tokens.verify(token), undefined);
  nowMs = before;
});

test("tokens without a name or a revision are refused; one without an end is not, as in etcd", async () => {
  const tokens = await open("RS256");
  const sign = (claims: Record<string, unknown>) =>
    new SignJWT(claims).setProtectedHeader({ alg: "RS256" }).sign(rsa.privateKey);
  assert.deepEqual(await tokens.verify(await sign({ username: "alice", revision: 7 })), {
    name: "alice",
    revision: 7n,
  });
  const rows = [{ username: "alice" }, { revision: 7 }, { username: 1, revision: 7 }, { username: "a", revision: "7" }];
  for (const claims of rows) assert.equal(await tokens.verify(await sign(claims)), undefined);
  const later = { username: "alice", revision: 7, nbf: nowMs / 1_000 + 100 };
  assert.equal(await tokens.verify(await sign(later)), undefined);
});

test("a bounded number of verified tokens is cached, and no very long one", async () => {
  const tokens = await open("HS256");
  const tokenOf = (name: string): Promise<string> => tokens.assign(name, 1n);
  const first = await tokenOf("first");
  await tokens.verify(first);
  for (let count = 0; count < maxVerifiedTokens; count++) await tokens.verify(await tokenOf(`user ${count}`));
  assert.equal(tokens.size, maxVerifiedTokens);
  const again = tokens.verify(first);
  assert.ok(again instanceof Promise, "the first one is verified again");
  await again;
  tokens.dropAll();
  assert.deepEqual(await tokens.verify(await tokenOf("x".repeat(5_000))), { name: "x".repeat(5_000), revision: 1n });
  assert.equal(tokens.size, 0);
});

test("a member with a public key alone verifies tokens and issues none", async () => {
  const token = await (await open("RS256")).assign("alice", 7n);
  const verifier = await open("RS256", { privateKeyFile: undefined });
  assert.deepEqual(await verifier.verify(token), { name: "alice", revision: 7n });
  await assert.rejects(
    verifier.assign("alice", 7n),
    (error) => error instanceof ServerError && error.code === "verify-only-key",
  );
});

test("keys that cannot be used are refused at the start, in etcd's words", async () => {
  const none = { publicKeyFile: undefined, privateKeyFile: undefined };
  const rows: readonly (readonly [JwtMethod, Partial<JwtSettings>, RegExp])[] = [
    ["RS256", none, /^auth: missing key data: RS256 needs priv-key, or pub-key/],
    ["RS256", { publicKeyFile: empty, privateKeyFile: empty }, /^auth: missing key data/],
    ["HS256", { ...none, publicKeyFile: secret.privateKeyFile }, /^auth: missing key data: HS256 needs priv-key/],
    ["RS256", { publicKeyFile: join(folder, "none") }, /^auth: invalid auth options: cannot read .*none: ENOENT/],
    ["RS256", { publicKeyFile: shortRsa.publicKeyFile }, /1024 bits/],
    [
      "ES256",
      { publicKeyFile: keyFiles("p256-2", generateKeyPairSync("ec", { namedCurve: "P-256" })).publicKeyFile },
      /^auth: public and private keys don't match: /,
    ],
    ["RS256", { ...none, privateKeyFile: secret.privateKeyFile }, /^key is not a valid RSA private key: .*secret/],
    [
      "RS256",
      { ...none, privateKeyFile: p256.privateKeyFile },
      /^key is not a valid RSA private key: .*: a key of type ec/,
    ],
    ["ES256", { ...none, privateKeyFile: rsa.privateKeyFile }, /^key is not a valid ECDSA private key/],
    ["ES384", { ...none, privateKeyFile: p256.privateKeyFile }, /the curve is prime256v1, and must be secp384r1/],
    ["EdDSA", { ...none, publicKeyFile: rsa.publicKeyFile }, /^key is not a valid Ed25519 public key/],
    [
      "RS256",
      { ...none, publicKeyFile: rsa.privateKeyFile },
      /^key is not a valid RSA public key: .*: this is a private key/,
    ],
    ["RS256", { ...none, privateKeyFile: rsa.publicKeyFile }, /^key is not a valid RSA private key/],
  ];
  for (const [method, settings, message] of rows)
    await assert.rejects(open(method, settings), { name: "StartError", message });
});

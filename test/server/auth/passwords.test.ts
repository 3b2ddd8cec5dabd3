import assert from "node:assert/strict";
import { test } from "node:test";
import { BcryptPasswords } from "../../../server/auth/passwords.js";
import { ServerError } from "../../../server/base/index.js";
import { sameThreadPasswords } from "../../../testing/same-thread-passwords.js";
import { seededRandom } from "../../../testing/random.js";

const passwords = sameThreadPasswords(seededRandom(1).next);

test("a password is verified against its hash alone", async () => {
  const hash = await passwords.hash("secret");
  assert.match(hash, /^\$2a\$04\$.{53}$/);
  assert.equal(await passwords.verify("secret", hash), true);
  for (const wrong of ["Secret", "secret ", "secre", ""]) assert.equal(await passwords.verify(wrong, hash), false);
});

test("two hashes of a password have different salts", async () => {
  assert.notEqual(await passwords.hash("secret"), await passwords.hash("secret"));
});

test("hashes of other programs are verified", async () => {
  const rows = [
    ["of etcd 3.7.3, 72 bytes", "a".repeat(72), "$2a$04$OLIrTJPj.HoT1NrYuyMsS.710wHEQcnxhxCkIGZV9dan3G1C1Eclu"],
    ["of etcd 3.7.3, a zero byte", "a\0b", "$2a$04$2WC5HjjuOANLMmVgmc2hnOi1ibsI7dP5UYU6nPN69nimIYiBJydMe"],
    ["version 2b", "abc", "$2b$06$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i"],
  ] as const;
  for (const [what, password, hash] of rows) assert.equal(await passwords.verify(password, hash), true, what);
});

test("an empty password and one with a zero byte are accepted", async () => {
  const [empty, zero] = [await passwords.hash(""), await passwords.hash("a\0b")];
  assert.equal(await passwords.verify("", empty), true);
  assert.equal(await passwords.verify("a\0b", zero), true);
  assert.equal(await passwords.verify("a\0c", zero), false);
  assert.equal(await passwords.verify("a", zero), false);
});

test("a password of more than 72 bytes cannot be set, and only its first 72 bytes count at a login", async () => {
  const longest = "ü".repeat(36);
  await assert.rejects(
    passwords.hash(`${longest}x`),
    (error) => error instanceof ServerError && error.code === "password-too-long",
  );
  const hash = await passwords.hash(longest);
  assert.equal(await passwords.verify(`${longest}${"x".repeat(100_000)}`, hash), true);
  const [beforePair, pair] = ["x".repeat(68), "\u{1F511}"];
  const cut = await passwords.hash(beforePair + pair);
  assert.equal(await passwords.verify(beforePair + pair + pair, cut), true);
});

test("no password matches a malformed hash", async () => {
  for (const hash of ["", "secret", "$2a$04$", `$2a$99$${"a".repeat(53)}`, `$2x$04$${"a".repeat(53)}`])
    assert.equal(await passwords.verify("secret", hash), false);
});

test("a login of an unknown user costs one hash of the same cost", async () => {
  const salts: string[] = [];
  const recorded = {
    hash: (_password: string, salt: string) => {
      salts.push(salt);
      return Promise.resolve(salt.padEnd(60, "."));
    },
    close: () => undefined,
  };
  const counted = new BcryptPasswords(recorded, 12, (count) => new Uint8Array(count));
  assert.equal(await counted.verify("secret", undefined), false);
  assert.deepEqual(salts, [`$2a$12$${".".repeat(22)}`]);
});

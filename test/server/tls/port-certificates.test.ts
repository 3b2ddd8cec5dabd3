// The certificates that a member makes itself, in a directory.

import assert from "node:assert/strict";
import { createPrivateKey, X509Certificate } from "node:crypto";
import { copyFile, link, mkdir, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { makeCertificateFiles } from "../../../server/tls/index.js";
import { TestAuthority, type CertificatePaths } from "../../support/certificates.js";
import { temporaryDirectory } from "../member/member-fixtures.js";

/** Whether the certificate belongs to the key. */
const isPair = async ({ cert, key }: CertificatePaths): Promise<boolean> =>
  new X509Certificate(await readFile(cert)).checkPrivateKey(createPrivateKey(await readFile(key)));

const contentsOf = ({ cert, key }: CertificatePaths): Promise<string[]> =>
  Promise.all([cert, key].map((path) => readFile(path, "utf8")));

test("a certificate with its key is kept; one that has expired is replaced with its key", async (t) => {
  const folder = await temporaryDirectory(t);
  const files = await makeCertificateFiles(folder, ["localhost"]);
  const made = await contentsOf(files);
  assert.deepEqual(await contentsOf(await makeCertificateFiles(folder, ["localhost"])), made);
  const expired = await (await TestAuthority.create()).issue({ isExpired: true });
  await writeFile(files.cert, expired.cert);
  await writeFile(files.key, expired.key);
  await makeCertificateFiles(folder, ["localhost"]);
  assert.ok(await isPair(files));
  assert.ok(new Date(new X509Certificate(await readFile(files.cert)).validTo) > new Date());
});

test("a certificate with the key of another one, as after a crash between the two files, is replaced with its key", async (t) => {
  const folder = await temporaryDirectory(t);
  const files = await makeCertificateFiles(join(folder, "a"), ["localhost"]);
  const others = await makeCertificateFiles(join(folder, "b"), ["localhost"]);
  await copyFile(others.key, files.key);
  assert.equal(await isPair(files), false);
  await makeCertificateFiles(join(folder, "a"), ["localhost"]);
  assert.ok(await isPair(files));
  assert.notEqual(await readFile(files.key, "utf8"), await readFile(others.key, "utf8"));
});

test("a new key is never in a file that others can read, and nothing temporary is left", async (t) => {
  const folder = await temporaryDirectory(t);
  const directory = join(folder, "tls");
  await mkdir(directory);
  const key = join(directory, "key.pem");
  const opened = join(folder, "opened"); // the file that somebody who may read it has open
  await writeFile(key, "old", { mode: 0o644 });
  await link(key, opened);
  await writeFile(`${key}.tmp`, "left by a crash", { mode: 0o644 });
  const files = await makeCertificateFiles(directory, ["localhost"]);
  assert.equal(await readFile(opened, "utf8"), "old");
  assert.equal((await stat(files.key)).mode & 0o777, 0o600);
  assert.deepEqual((await readdir(directory)).sort(), ["cert.pem", "key.pem"]);
});

test("files that are no certificate and no key are left alone, and the start is refused", async (t) => {
  const folder = await temporaryDirectory(t);
  const files = await makeCertificateFiles(folder, ["localhost"]);
  const refusal = /cannot use the certificate .*cert\.pem: remove it and .*key\.pem to have new ones made/;
  for (const path of [files.key, files.cert]) {
    await writeFile(path, "something else");
    await assert.rejects(makeCertificateFiles(folder, ["localhost"]), refusal);
    assert.equal(await readFile(path, "utf8"), "something else");
  }
  await rm(files.cert);
  await makeCertificateFiles(folder, ["localhost"]);
  assert.ok(await isPair(files));
});

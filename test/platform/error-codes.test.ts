import assert from "node:assert/strict";
import { test } from "node:test";
import { runInNewContext } from "node:vm";
import { asError, causeOf, errorCode, isError } from "../../platform/index.js";

test("errors of another realm, as Node's own are in a test of Jest, have codes and causes", () => {
  const foreign: unknown = runInNewContext(`Object.assign(new Error("no file", { cause: 1 }), { code: "ENOENT" })`);
  assert.ok(!(foreign instanceof Error));
  assert.ok(isError(foreign));
  assert.equal(errorCode(foreign), "ENOENT");
  assert.equal(causeOf(foreign), 1);
  assert.equal(asError(foreign), foreign);
});

test("other values become errors, and have neither code nor cause", () => {
  const other = { code: "ENOENT", cause: 1 };
  assert.deepEqual([isError(other), errorCode(other), causeOf(other)], [false, undefined, undefined]);
  assert.match(asError("reason").message, /^reason$/);
});

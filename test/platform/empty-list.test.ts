import assert from "node:assert/strict";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { emptyList } from "../../platform/index.js";

test("an empty list is of the form for objects before the first one is added, and a literal is not", () => {
  setFlagsFromString("--allow-natives-syntax");
  const hasObjectForm = runInNewContext("(list) => %HasObjectElements(list)") as (list: unknown[]) => boolean;
  const list = emptyList<object>();
  assert.equal(list.length, 0);
  assert.equal(hasObjectForm(list), true);
  assert.equal(hasObjectForm([]), false);
  setFlagsFromString("--no-allow-natives-syntax");
});

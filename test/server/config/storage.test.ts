// Flags that determine where a member keeps its data.
import assert from "node:assert/strict";
import test from "node:test";
import { configFromFlags, defaultFlags, FlagError, type ServerFlags } from "../../../server/config/config.js";
import { StartError } from "../../../server/base/errors.js";

const storageFor = (flags: Partial<ServerFlags>): string =>
  configFromFlags({ ...defaultFlags, ...flags }).member.storage;

test("data is on disk and synced by default", () => {
  assert.equal(storageFor({}), "disk");
  assert.equal(storageFor({ unsafeNoFsync: "true" }), "unsynced disk");
  assert.equal(storageFor({ memory: "true" }), "memory");
  assert.equal(storageFor({ memory: "true", unsafeNoFsync: "true" }), "memory", "there is nothing to sync");
});

test("--memory with a data directory is refused: one of the two would have no effect", () => {
  assert.throws(
    () => storageFor({ memory: "true", dataDir: "here" }),
    (error) => error instanceof StartError && error.message.includes("leave out --data-dir (here), or --memory"),
  );
});

test("a value that is not a boolean is refused", () => {
  assert.throws(() => storageFor({ memory: "maybe" }), FlagError);
  assert.throws(() => storageFor({ unsafeNoFsync: "maybe" }), FlagError);
});

import assert from "node:assert/strict";
import { test } from "node:test";
import { mallocSettings, withMallocSettings } from "../../../cli/server/malloc-settings.js";

test("a member process on Linux is given malloc's settings, beside the user's environment", () => {
  assert.deepEqual(withMallocSettings({ PATH: "/bin" }, "linux"), { PATH: "/bin", ...mallocSettings });
  const set = Object.fromEntries(Object.keys(mallocSettings).map((name) => [name, "1"]));
  assert.deepEqual(withMallocSettings(set, "linux"), set, "those that the user set");
  const tunables = { GLIBC_TUNABLES: "glibc.malloc.trim_threshold=1" };
  assert.deepEqual(withMallocSettings(tunables, "linux"), tunables);
  assert.deepEqual(withMallocSettings({ PATH: "/bin" }, "darwin"), { PATH: "/bin" });
});

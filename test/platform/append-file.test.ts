import assert from "node:assert/strict";
import { mkdir, readFile, rename } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { AppendFile, systemClock } from "../../platform/index.js";
import { tempFolder } from "../support/temp-folder.js";

test("a file that was renamed gets no lines after it was opened anew, and none is lost", async () => {
  await using folder = await tempFolder();
  const path = join(folder.path, "audit.log");
  const file = new AppendFile(path, 1_000, systemClock);
  file.append("1\n"); // under way when the file is opened anew
  await rename(path, `${path}.1`);
  file.reopen();
  file.append("2\n");
  await file.close();
  file.reopen(); // of a closed one nothing is opened
  assert.deepEqual([await readFile(`${path}.1`, "utf8"), await readFile(path, "utf8")], ["1\n", "2\n"]);
});

test("a file that cannot be opened anew stays in use", async () => {
  await using folder = await tempFolder();
  const inner = join(folder.path, "logs");
  await mkdir(inner);
  const file = new AppendFile(join(inner, "audit.log"), 1_000, systemClock);
  await rename(inner, `${inner}.away`);
  assert.throws(() => file.reopen(), { code: "ENOENT" });
  file.append("1\n");
  await file.close();
  assert.equal(await readFile(join(`${inner}.away`, "audit.log"), "utf8"), "1\n");
});

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { closeSync, constants, openSync, readSync, writeSync } from "node:fs";
import { mkdir, readFile, rename, symlink, unlink } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { AppendFile, systemClock } from "../../platform/index.js";
import { eventually } from "../support/deadline.js";
import { tempFolder } from "../support/temp-folder.js";

test("a renamed file gets no more lines after the file is reopened, and no line is lost", async () => {
  await using folder = await tempFolder();
  const path = join(folder.path, "audit.log");
  const file = new AppendFile(path, 1_000, systemClock);
  file.append("1\n"); // this write is in progress when the file is reopened
  await rename(path, `${path}.1`);
  file.reopen();
  file.append("2\n");
  await file.close();
  file.reopen(); // reopening a closed file does nothing
  assert.deepEqual([await readFile(`${path}.1`, "utf8"), await readFile(path, "utf8")], ["1\n", "2\n"]);
});

test("a second close does not close a descriptor that another file has by then", async () => {
  await using folder = await tempFolder();
  const file = new AppendFile(join(folder.path, "audit.log"), 1_000, systemClock);
  await file.close();
  const other = openSync(join(folder.path, "other"), "w"); // takes the lowest free number: that of the closed file
  await file.close();
  assert.equal(writeSync(other, "x"), 1);
  closeSync(other);
});

test("a file that cannot be reopened stays in use", async () => {
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

test("lines for a full disk wait up to a bound, and are written in order once there is room", async () => {
  await using folder = await tempFolder();
  const path = join(folder.path, "audit.log");
  await symlink("/dev/full", path);
  const turns: (string | undefined)[] = [];
  const retries: (() => void)[] = [];
  const clock = {
    after: (_: number, retry: () => void) => {
      retries.push(retry);
      return () => undefined;
    },
  };
  const file = new AppendFile(path, 5, clock, (error) =>
    turns.push((error as NodeJS.ErrnoException | undefined)?.code),
  );
  assert.deepEqual(
    ["1\n", "2\n", "3\n"].map((line) => file.append(line)),
    [true, true, false],
  );
  const retry = await eventually(10_000, "a write that fails", () => Promise.resolve(retries[0]));
  await unlink(path);
  file.reopen();
  retry();
  await file.close();
  assert.equal(await readFile(path, "utf8"), "1\n2\n");
  assert.deepEqual(turns, ["ENOSPC", undefined]);
});

test("a FIFO that nobody reads is refused, and lines wait for a slow reader without a thread that hangs", async () => {
  await using folder = await tempFolder();
  const path = join(folder.path, "fifo");
  execFileSync("mkfifo", [path]);
  assert.throws(() => new AppendFile(path, 1_000, systemClock), { code: "ENXIO" });
  const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const lines = Array.from({ length: 1_000 }, (_, n) => `${n} ${"x".repeat(200)}\n`);
  const bytes = lines.join("").length;
  const file = new AppendFile(path, bytes, systemClock);
  for (const line of lines) assert.equal(file.append(line), true);
  const chunk = Buffer.alloc(16 * 1024);
  let read = "";
  const more = (): Promise<true | undefined> => {
    try {
      read += chunk.toString("latin1", 0, readSync(reader, chunk));
    } catch (error) {
      assert.equal((error as NodeJS.ErrnoException).code, "EAGAIN");
    }
    return Promise.resolve(read.length === bytes || undefined);
  };
  await eventually(30_000, "all lines", more);
  await file.close();
  closeSync(reader);
  assert.equal(read, lines.join(""));
});

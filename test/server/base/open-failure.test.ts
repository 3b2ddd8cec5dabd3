import assert from "node:assert/strict";
import { readdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { StartError } from "../../../server/base/errors.js";
import { errorText } from "../../../server/base/logger.js";
import { Member } from "../../../server/member/member.js";
import { asStartError } from "../../../server/base/open-failure.js";
import { quietEnvironment, singleMember, temporaryDirectory } from "../member/member-fixtures.js";

/** Runs a member once. Returns its configuration and its directory. */
const runMember = async (t: TestContext) => {
  const config = singleMember(await temporaryDirectory(t));
  const member = await Member.start(config, quietEnvironment());
  await member.whenReady;
  await member.stop();
  return { config, data: join(config.member.dataDir, "member") };
};

const refusal = async (config: Parameters<typeof Member.start>[0]): Promise<string> => {
  const error: unknown = await Member.start(config, quietEnvironment()).catch((reason: unknown) => reason);
  assert.ok(error instanceof StartError, String(error));
  return errorText(error);
};

test("a damaged log is refused in one line with file, byte and remedy; no file stays open", async (t) => {
  const { config, data } = await runMember(t);
  const [segment = ""] = (await readdir(join(data, "wal"))).filter((name) => name.endsWith(".wal"));
  const file = join(data, "wal", segment);
  const whole = await readFile(file);
  const damaged = Buffer.from(whole);
  damaged[530] = (damaged[530] ?? 0) ^ 1;
  await writeFile(file, damaged);
  const line = await refusal(config);
  assert.match(line, new RegExp(`^data directory ${config.member.dataDir} is damaged: leave this member stopped`));
  assert.match(line, new RegExp(`: Cannot use ${file}: damaged at byte 512: `));
  assert.ok(!line.includes("\n"));

  await writeFile(file, whole);
  const again = await Member.start(config, quietEnvironment()); // ports, lock and files were released
  await again.whenReady;
  await again.stop();
});

test("a damaged store is refused, and can be opened once it is restored", async (t) => {
  const { config, data } = await runMember(t);
  const manifest = (await readdir(join(data, "store-1"))).find((name) => name.startsWith("MANIFEST")) ?? "";
  const file = join(data, "store-1", manifest);
  const whole = await readFile(file);
  await writeFile(file, Buffer.alloc(whole.length, 0x55));
  assert.match(await refusal(config), /is damaged: leave this member stopped .*store-1/);
  await writeFile(file, whole);
  const again = await Member.start(config, quietEnvironment());
  await again.whenReady;
  await again.stop();
});

test("a store without its log is refused: acknowledged entries may be lost", async (t) => {
  const { config, data } = await runMember(t);
  const [segment = ""] = (await readdir(join(data, "wal"))).filter((name) => name.endsWith(".wal"));
  await rename(join(data, "wal", segment), join(data, "..", "elsewhere"));
  assert.match(await refusal(config), /the store contains the log up to entry \d+ of term 2, but .* ends at 0/);
});

test("each error of the file system is reported with a remedy", () => {
  const said: [code: string, expected: RegExp][] = [
    ["EACCES", /check its owner and mode/],
    ["EROFS", /its file system is mounted read-only/],
    ["ENOSPC", /cannot write to data directory d: free some space/],
    ["ENOTDIR", /cannot use data directory d: choose another --data-dir/],
    ["EMFILE", /raise the limit/],
    ["EIO", /check the disk/],
    ["ENOENT", /^cannot use data directory d: choose another --data-dir$/],
    ["ELOOP", /^cannot use data directory d: choose another --data-dir$/],
  ];
  for (const [code, expected] of said) {
    const direct = Object.assign(new Error(code), { code, syscall: "mkdir" });
    const throughLevel = Object.assign(new Error("Database failed to open", { cause: direct }), { code: "LEVEL_X" });
    for (const error of [direct, throughLevel]) {
      const startError = asStartError(error, "d");
      assert.ok(startError instanceof StartError);
      assert.match(startError.message, expected);
      assert.equal(startError.cause, error);
    }
  }
});

test("a failure to open is described once, however often it is rethrown", () => {
  const system = Object.assign(new Error("ENOTDIR: not a directory"), { code: "ENOTDIR", syscall: "scandir" });
  const line = errorText(asStartError(asStartError(system, "d"), "d"));
  assert.equal(line, "cannot use data directory d: choose another --data-dir: ENOTDIR: not a directory");
});

test("an unexpected error is passed on unchanged", () => {
  const error = new TypeError("a bug");
  assert.equal(asStartError(error, "d"), error);
});

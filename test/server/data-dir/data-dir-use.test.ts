import assert from "node:assert/strict";
import { mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { clearDataDirectories, isInUse, lockFolder } from "../../../server/data-dir/data-dir-use.js";
import { Member } from "../../../server/member/member.js";
import { quietEnvironment, singleMember, temporaryDirectory } from "../member/member-fixtures.js";

/** Returns a data directory that a member uses until the test ends or stops it. */
const prepareDirectory = async (t: TestContext) => {
  const config = singleMember(await temporaryDirectory(t));
  const member = await Member.start(config, quietEnvironment());
  t.after(() => member.stop());
  await member.whenReady;
  return { member, config, path: config.member.dataDir };
};

const filesOf = (path: string): Promise<string[]> => readdir(join(path, "member"));

test("a cleared directory starts as a new member's", async (t) => {
  const { member, config, path } = await prepareDirectory(t);
  await member.stop();
  await clearDataDirectories([path, join(path, "..", "not-there")]);
  assert.deepEqual(await filesOf(path), ["lock"]);
  const again = await Member.start(config, quietEnvironment());
  t.after(() => again.stop());
  await again.whenReady;
});

test("clearing is refused while a member runs in one of the directories", async (t) => {
  const stopped = await prepareDirectory(t);
  await stopped.member.stop();
  const running = await prepareDirectory(t);
  const before = await filesOf(stopped.path);
  await assert.rejects(clearDataDirectories([stopped.path, running.path]), {
    name: "StartError",
    message: `data directory ${running.path} is in use by another process: stop it, or choose another --data-dir`,
  });
  assert.deepEqual(await filesOf(stopped.path), before);
  assert.deepEqual([await isInUse(stopped.path), await isInUse(running.path)], [false, true]);
});

test("clearing is refused if one of the directories contains a foreign file", async (t) => {
  const { member, path } = await prepareDirectory(t);
  await member.stop();
  const before = await filesOf(path);
  const folder = await temporaryDirectory(t);
  const foreign = ["notes.txt", "member/notes.txt", "member/snap"];
  for (const [position, name] of foreign.entries()) {
    const other = join(folder, String(position));
    await mkdir(join(other, "member"), { recursive: true });
    await writeFile(join(other, name), "");
    await assert.rejects(clearDataDirectories([path, other]), /is not a file of minietcd|data of a real etcd/, name);
    await assert.rejects(clearDataDirectories([join(other, name)]), /cannot use data directory/);
    assert.deepEqual(await filesOf(path), before);
  }
});

test("a locked folder is refused to a second process until the lock is closed", async (t) => {
  const folder = join(await temporaryDirectory(t), "made", "here");
  const lock = await lockFolder(folder);
  await assert.rejects(lockFolder(folder), {
    message: `${folder} is in use by another process: stop it, or choose another --data-dir`,
  });
  await lock.close();
  await (await lockFolder(folder)).close();
});

// A rebuild of a directory on a simulated disk that stops at every operation in turn: no member starts there until all new files are
// complete, and repeating the rebuild completes it.
import assert from "node:assert/strict";
import path from "node:path";
import { describe, test } from "node:test";
import { type MemberDisk, toPromise } from "../../../platform/index.js";
import type { MemberId } from "../../../raft/index.js";
import type { ClusterId } from "../../../server/base/index.js";
import { DirectoryFiles, formatOwner, UnfinishedRebuildError } from "../../../server/data-dir/directory-files.js";
import { DirectoryRebuild } from "../../../server/data-dir/directory-rebuild.js";
import { seededRandom } from "../../../testing/random.js";
import { SimDisk } from "../../../testing/sim-disk.js";

const lost = "/data/m2";
const source = "/data/m3/member";
const owner = { clusterId: 1n as ClusterId, memberId: 2n as MemberId };

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

const former = { incarnation: "3\n", peers: "damaged", "wal/1.wal": "damaged", "store-1/CURRENT": "old" };
const copied = { "wal/1.wal": "whole", "wal/2.wal": "too", "store-4/CURRENT": "new", "store-4/1.ldb": "rows" };
const rebuilt = {
  ...copied,
  incarnation: "7\n",
  peers: "peers\n",
  "store-current": "store-4\n",
  "format.json": formatOwner(owner),
};

const newDisk = (seed: number): SimDisk => {
  const disk = new SimDisk({ random: seededRandom(seed) });
  for (const [name, text] of Object.entries(former)) disk.place(path.join(lost, "member", name), bytes(text));
  disk.place(path.join(lost, "member", "format.json"), bytes(formatOwner(owner)));
  for (const [name, text] of Object.entries(copied)) disk.place(path.join(source, name), bytes(text));
  disk.place(path.join(source, "wal", "next.tmp"), bytes("not copied"));
  return disk;
};

const rebuild = async (disk: MemberDisk): Promise<DirectoryRebuild> => {
  const files = new DirectoryFiles(disk, lost);
  const lock = await files.lock();
  const directory = await DirectoryRebuild.begin(lost, files, disk);
  await directory.copyFolder(path.join(source, "wal"), "wal", ["1.wal", "2.wal"]);
  await directory.copyFolder(path.join(source, "store-4"), "store-4");
  await directory.finishRebuild({
    owner,
    incarnation: 7,
    peers: "peers\n",
    store: { path: path.join(source, "store-4"), installed: undefined },
  });
  await lock.close();
  return directory;
};

/** Returns the files below a folder, by their relative paths. */
const filesBelow = (disk: SimDisk, folder: string): Record<string, string> =>
  Object.fromEntries(
    [...disk.contents()]
      .filter(([name]) => name.startsWith(`${folder}/`))
      .map(([name, content]) => [path.relative(folder, name), new TextDecoder().decode(content)]),
  );

const assertRebuilt = (disk: SimDisk): void => assert.deepEqual(filesBelow(disk, `${lost}/member`), rebuilt);

/** Runs a rebuild until operation `last` begins, at which the process or the power ends. Resolves to false if the rebuild ended before. */
const interruptRebuild = async (disk: SimDisk, how: "kill" | "powerCut", last: number): Promise<boolean> => {
  let count = 0;
  const stopped = new Promise<true>((resolve) => {
    disk.onOperation = () => {
      if (count++ === last) {
        if (how === "kill") disk.kill();
        else disk.powerCut();
        resolve(true);
      }
      return undefined;
    };
  });
  const isStopped = await Promise.race([stopped, rebuild(disk.boot()).then(() => false)]);
  disk.onOperation = () => undefined;
  return isStopped;
};

/** Checks that a start finds the former directory, a rebuilt one, or a note that the rebuild is not complete. */
const assertConsistent = async (disk: SimDisk): Promise<void> => {
  try {
    await new DirectoryFiles(disk.boot(), lost).readOwner();
  } catch (error) {
    assert.ok(error instanceof UnfinishedRebuildError, String(error));
    return;
  }
  const content = filesBelow(disk, `${lost}/member`);
  delete content["rebuild.tmp"];
  if (content["incarnation"] === "3\n") assert.deepEqual(content, { ...former, "format.json": formatOwner(owner) });
  else assert.deepEqual(content, rebuilt);
};

test("a rebuilt directory has only the new files, and the former ones are beside it", async () => {
  const disk = newDisk(1);
  disk.place("/data/m2.damaged-1/member/format.json", bytes("of an earlier rebuild"));
  assert.equal((await rebuild(disk.boot())).aside, "/data/m2.damaged-2");
  assertRebuilt(disk);
  assert.deepEqual(filesBelow(disk, "/data/m2.damaged-2/member"), { ...former, "format.json": formatOwner(owner) });
});

test("large files are copied in parts", async () => {
  const disk = newDisk(1);
  const large = bytes("0123456789".repeat(250_000));
  disk.place(path.join(source, "wal", "2.wal"), large);
  await rebuild(disk.boot());
  assert.ok(Buffer.from(large).equals(disk.contents().get(`${lost}/member/wal/2.wal`) ?? bytes("")));
});

test("the rebuild of a directory that was removed puts nothing aside", async () => {
  const disk = new SimDisk({ random: seededRandom(1) });
  for (const [name, text] of Object.entries(copied)) disk.place(path.join(source, name), bytes(text));
  disk.place(path.join(lost, "member", "x"), bytes(""));
  await toPromise((done) => disk.boot().remove(path.join(lost, "member", "x"), done));
  assert.equal((await rebuild(disk.boot())).aside, undefined);
  assertRebuilt(disk);
});

for (const how of ["kill", "powerCut"] as const)
  describe(`a ${how} at every operation`, () => {
    for (const seed of how === "kill" ? [1] : [1, 2, 3])
      test(`leaves the former directory, a new one, or a note, and a repetition completes the rebuild; SEED=${seed}`, async () => {
        for (let last = 0; ; last++) {
          const disk = newDisk(seed * 1000 + last);
          if (!(await interruptRebuild(disk, how, last))) {
            assert.ok(last > 40, `only ${last} operations`);
            return;
          }
          await assertConsistent(disk);
          await interruptRebuild(disk, how, Math.floor(last / 2)); // interrupts the repetition, too
          await assertConsistent(disk);
          await rebuild(disk.boot());
          assertRebuilt(disk);
          if (how === "kill")
            assert.deepEqual(
              filesBelow(disk, "/data/m2.damaged-1/member")["wal/1.wal"],
              "damaged",
              `operation ${last}`,
            );
        }
      });
  });

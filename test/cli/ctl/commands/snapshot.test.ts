// minietcdctl snapshot save: the file, its checksum, refusals.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { status } from "@grpc/grpc-js";
import { SnapshotResponse, type SnapshotRequest } from "../../../../proto/index.js";
import { FakeServer } from "../../../client/fake-server.js";
import { tempFolder } from "../../../support/temp-folder.js";
import { startProgram } from "./running-program.js";

const image = Buffer.alloc(1_024, "page");
const backup = Buffer.concat([image, createHash("sha256").update(image).digest()]);

/** Saves a backup that the server sends in parts of `partBytes`, and returns the result with the files in the folder. */
async function saveBackup({ bytes = backup, partBytes = 500, before = "" as string, failing = false }) {
  await using server = await FakeServer.start();
  await using folder = await tempFolder();
  const path = join(folder.path, "backup.db");
  if (before !== "") writeFileSync(path, before);
  const program = startProgram(server.endpoint, "snapshot", "save", path);
  const stream = await server.stream<SnapshotRequest, SnapshotResponse>();
  await stream.request();
  for (let at = 0; at < bytes.length; at += partBytes)
    stream.send(SnapshotResponse.create({ blob: bytes.subarray(at, at + partBytes), version: "3.7.0" }));
  if (failing) stream.fail({ code: status.UNAVAILABLE, details: "gone" });
  else stream.end();
  const { code, stdout, stderr } = await program.ended;
  const content = existsSync(path) ? readFileSync(path) : undefined;
  const mode = existsSync(path) ? statSync(path).mode & 0o777 : undefined;
  assert.ok(!existsSync(`${path}.part`), "the part file stays");
  return {
    code,
    stdout: stdout.replaceAll(folder.path, ""),
    stderr: stderr.replaceAll(folder.path, ""),
    content,
    mode,
  };
}

test("snapshot save writes a file that only its owner can read, from parts of any size", async () => {
  for (const partBytes of [1, 31, 500, 10_000]) {
    const { content, ...outcome } = await saveBackup({ partBytes });
    assert.deepEqual(outcome, {
      code: 0,
      stdout: "Snapshot saved at /backup.db\nServer version 3.7.0\n",
      stderr: "",
      mode: 0o600,
    });
    assert.deepEqual(content, backup);
  }
});

test("snapshot save keeps an existing file if the backup is damaged, incomplete or interrupted", async () => {
  const damaged = Buffer.from(backup);
  damaged[3] = 0;
  const before = "the backup of yesterday";
  const outcomes = [
    await saveBackup({ bytes: damaged, before }),
    await saveBackup({ bytes: image, before }),
    await saveBackup({ failing: true, before }),
  ];
  for (const { code, stdout, content } of outcomes)
    assert.deepEqual([code, stdout, content?.toString()], [5, "", before]);
  assert.deepEqual(
    outcomes.map(({ stderr }) => stderr.split("\n")[0]),
    [
      "Error: the backup was damaged on its way: its sha256 checksum is wrong",
      "Error: sha256 checksum not found [bytes: 1024]",
      "Error: rpc error: code = Unavailable desc = gone",
    ],
  );
});

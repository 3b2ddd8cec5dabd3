import assert from "node:assert/strict";
import { readFile, truncate } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { PutRequest, RangeRequest, type RequestOp, TxnRequest } from "../../../proto/index.js";
import { AppendFile, systemClock } from "../../../platform/index.js";
import { AuditLog, resultOf } from "../../../server/app/index.js";
import { anonymousCaller, type Caller } from "../../../server/base/caller.js";
import { ServerError } from "../../../server/base/errors.js";
import { VirtualClock } from "../../../testing/virtual-clock.js";
import { temporaryDirectory } from "../member/member-fixtures.js";
import { startApplication } from "./application-fixtures.js";

const put = PutRequest.create({ key: Buffer.from("k"), value: Buffer.from("secret") });
const operation: RequestOp = { request: { $case: "requestPut", value: put } };

const userOf = ({ user }: Caller): string | undefined => user?.name;

/** Returns the lines of an application's audit log, without their times. */
const audit = async (t: Parameters<typeof startApplication>[0], isTaken: (line: string) => boolean = () => true) => {
  const { application } = await startApplication(t);
  const lines: Record<string, unknown>[] = [];
  const sink = {
    append: (line: string) => {
      if (!isTaken(line)) return false;
      const { ts, ...fields } = JSON.parse(line) as Record<string, unknown>;
      assert.equal(ts, "now");
      lines.push(fields);
      return true;
    },
  };
  const audited = new AuditLog(sink, () => "now", userOf).wrap(application);
  const caller = { ...anonymousCaller, user: { name: "ann", revision: 1n }, remoteAddress: "10.0.0.1:5000" };
  return { audited, caller, lines };
};

test("a change leaves a line with user, address, operation and outcome, and without the value", async (t) => {
  const { audited, caller, lines } = await audit(t);
  await resultOf(audited.put, caller, put);
  await assert.rejects(resultOf(audited.put, anonymousCaller, PutRequest.create({})));
  const key = Buffer.of(0xff);
  await resultOf(audited.deleteRange, caller, { key, rangeEnd: Buffer.from("z"), prevKv: false });
  assert.deepEqual(lines, [
    {
      ...{ user: "ann", remote: "10.0.0.1:5000", operation: "put", key: "k", valueBytes: 6 },
      ...{ outcome: "ok", revision: 2 },
    },
    {
      ...{ user: "", remote: "", operation: "put", key: "", valueBytes: 0 },
      ...{ outcome: "refused", error: "the request has no key" },
    },
    {
      ...{ user: "ann", remote: "10.0.0.1:5000", operation: "deleteRange", keyBase64: "/w==", rangeEnd: "z" },
      ...{ outcome: "ok", revision: 2 },
    },
  ]);
});

test("a transaction is logged with its changes and the branch that was taken; reads are not logged", async (t) => {
  const { audited, caller, lines } = await audit(t);
  await resultOf(audited.range, caller, RangeRequest.create({ key: put.key }));
  await resultOf(audited.txn, caller, TxnRequest.create({}));
  assert.deepEqual(lines, []);
  await resultOf(audited.txn, caller, TxnRequest.create({ success: [operation] }));
  const { changes, success, failure, succeeded, outcome } = lines[0]!;
  assert.deepEqual([changes, failure, succeeded, outcome], [1, [], true, "ok"]);
  assert.deepEqual(success, [{ put: { key: "k", valueBytes: 6 } }]);
});

test("an undetermined outcome is logged as unknown", () => {
  const lines: string[] = [];
  const fail = (_caller: unknown, _request: unknown, handler: { onError(error: unknown): void }): void =>
    handler.onError(new ServerError("timed-out", "not committed in time"));
  const log = new AuditLog({ append: (line) => lines.push(line) > 0 }, () => "now", userOf);
  const { put: audited } = log.wrap({ put: fail } as never);
  audited(anonymousCaller, put, { onResult: () => assert.fail("a result"), onError: () => undefined });
  assert.match(lines[0]!, /"outcome":"unknown","error":"not committed in time"/);
});

test("lost lines are counted in the next line, and changes are not delayed", async (t) => {
  let room = 0;
  const { audited, caller, lines } = await audit(t, () => room-- > 0);
  await resultOf(audited.put, caller, put);
  await resultOf(audited.put, caller, put);
  room = 2;
  await resultOf(audited.put, caller, put);
  await resultOf(audited.put, caller, put);
  assert.deepEqual(
    lines.map(({ lostLines, revision }) => [lostLines, revision]),
    [
      [2, 4],
      [undefined, 5],
    ],
  );
});

test("a file that was copied and truncated is written from its beginning, up to its bound", async (t) => {
  const path = join(await temporaryDirectory(t), "audit.log");
  const first = new AppendFile(path, 1_000, systemClock);
  assert.equal(first.append("one\n"), true);
  await first.close();
  await truncate(path);
  const file = new AppendFile(path, 1_000, new VirtualClock());
  assert.equal(file.append(`${"x".repeat(996)}\n`), true);
  assert.equal(file.append("more\n"), false, "the disk has not taken the first yet");
  await file.close();
  assert.equal((await readFile(path, "utf8")).length, 997);
  assert.equal(file.append("late\n"), false);
});

// The language of `txn`, as far as minietcdctl differs from etcdctl.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { parseCompare, parseOp } from "../../../../cli/ctl/commands/txn-language.js";

const assertInvalid = (parse: () => unknown, message: string, hint?: string) =>
  assert.throws(parse, { name: "Failure", exitCode: 3, message, ...(hint === undefined ? {} : { hint }) });

const bytes = (text: string) => Buffer.from(text, "latin1");

describe("conditions", () => {
  test("of each target and operator", () => {
    assert.deepEqual(parseCompare('ver("a") = "1"'), { key: bytes("a"), is: "=", target: "version", than: 1 });
    assert.deepEqual(parseCompare('c("a") != "-1"'), { key: bytes("a"), is: "!=", target: "createRevision", than: -1 });
    assert.deepEqual(parseCompare('mod("a") < "7"'), { key: bytes("a"), is: "<", target: "modRevision", than: 7 });
    assert.deepEqual(parseCompare('val("a") > "x"'), { key: bytes("a"), is: ">", target: "value", than: bytes("x") });
  });

  test("of a lease take its id in hex", () => {
    const compare = parseCompare('lease("a") = "3ceea202f6f2a103"');
    assert.deepEqual(compare, { key: bytes("a"), is: "=", target: "lease", than: 0x3ceea202f6f2a103n });
  });

  test("with another operator are refused", () => {
    const line = 'value("a") >= "x"';
    assertInvalid(() => parseCompare(line), `malformed comparison: ${line} (unknown operator >=)`);
  });

  test("take bytes that are not UTF-8", () => {
    const compare = parseCompare(String.raw`value("\xff\376") = "\u00e9\n"`);
    assert.deepEqual(compare.key, bytes("\xff\xfe"));
    assert.deepEqual("than" in compare && compare.than, bytes("\xc3\xa9\n"));
  });

  test("with an unknown escape are refused", () => {
    const assertRefused = (line: string, reason: string) =>
      assertInvalid(() => parseOp(line), "invalid syntax", `Reason: ${reason}`);
    assertRefused(String.raw`get "\q"`, String.raw`bad escape \q in "\q"`);
    assertRefused(String.raw`get "\U00110000"`, String.raw`bad escape \U00110000: there is no such character`);
  });
});

describe("steps", () => {
  test("take the text between single quotes unchanged (etcdctl cuts it after one character)", () => {
    const put = parseOp(String.raw`put 'a key' 'a\n "value"'`);
    assert.ok(put.op === "put");
    assert.deepEqual([put.key, put.value], [bytes("a key"), bytes(String.raw`a\n "value"`)]);
  });

  test("take the flags of their commands, and no others", () => {
    const get = parseOp("get a c --limit=5 --sort-by create");
    assert.ok(get.op === "get");
    assert.deepEqual([get.rangeEnd, get.limit, get.sortBy], [bytes("c"), 5, "createRevision"]);
    const hint = "Reason: unknown flag: --endpoints";
    assertInvalid(() => parseOp("get a --endpoints x"), "invalid txn request: get a --endpoints x", hint);
  });

  test("do not keep the flags of the previous step", () => {
    const first = parseOp("del a --prefix");
    const second = parseOp("del b");
    assert.ok(first.op === "delete" && second.op === "delete");
    assert.deepEqual([first.prefix, second.prefix], [true, false]);
  });

  test("show the line in UTF-8 when it is refused", () => {
    const line = Buffer.from("löschen a", "utf8").toString("latin1");
    assertInvalid(() => parseOp(line), "invalid txn request: löschen a");
  });
});

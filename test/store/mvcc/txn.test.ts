import assert from "node:assert/strict";
import { test } from "node:test";
import {
  Compare,
  Compare_CompareResult as Result,
  Compare_CompareTarget as On,
  RawTxnResponse,
  TxnResponse,
  type ResponseOp,
  type TxnRequest,
} from "../../../proto/index.js";
import {
  type Answer,
  CompactedError,
  FutureRevisionError,
  KeyNotFoundError,
  LeaseNotFoundError,
  runAtOnce,
  TooLargeError,
} from "../../../store/index.js";
import { TestStore, bytes, memoryDisk, op, showKv, txn } from "../harness.js";

const compare = (key: string, options: Partial<Compare>): Compare => Compare.create({ key: bytes(key), ...options });

/** Applies a transaction as a member does. */
const applyTxn = ({ store }: TestStore, request: TxnRequest): Answer<RawTxnResponse> =>
  store.smallTxn(request) ?? runAtOnce(store.txn(request));

/** Shows the outcome of a transaction in short: `then@5 put@5 range@5[a=1 c2 m2 v1]`. */
function run(tested: TestStore, request: TxnRequest): string {
  const { response, revision } = applyTxn(tested, request);
  const decoded = TxnResponse.decode(RawTxnResponse.encode(response).finish());
  return `${decoded.succeeded ? "then" : "else"}@${revision}${decoded.responses.map(showOp).join("")}`;
}

function showOp({ response: of }: ResponseOp): string {
  switch (of?.$case) {
    case "responsePut":
      return ` put@${of.value.header?.revision}`;
    case "responseRange":
      return ` range@${of.value.header?.revision}[${of.value.kvs.map(showKv).join(", ")}]`;
    case "responseDeleteRange":
      return ` delete@${of.value.header?.revision}:${of.value.deleted}`;
    case "responseTxn":
      return ` ${of.value.succeeded ? "then" : "else"}@${of.value.header?.revision}(${of.value.responses.map(showOp).join("")} )`;
    case undefined:
      return " none";
  }
}

const isTrue = (tested: TestStore, ...compares: Compare[]): boolean =>
  run(tested, txn(compares, [])).startsWith("then");

test("operations of a transaction see the earlier ones, in one revision", async () => {
  await using tested = await TestStore.on(await memoryDisk());
  tested.put("b", "0");
  const ops = [
    op.range("a"),
    op.put("a", "1"),
    op.range("a"),
    op.delete("a", "z"),
    op.put("a", "2"),
    op.range("a", { revision: 2 }),
  ];
  assert.equal(run(tested, txn([], ops)), "then@3 range@2[] put@3 range@3[a=1 c3 m3 v1] delete@3:2 put@3 range@3[]");
  assert.deepEqual((await tested.range("a")).kvs, ["a=2 c3 m3 v1"]);
  assert.deepEqual((await tested.range("a", { rangeEnd: "\0", revision: 2 })).kvs, ["b=0 c2 m2 v1"]);
});

test("a transaction that changes nothing takes no revision", async () => {
  await using tested = await TestStore.on(await memoryDisk());
  tested.put("a", "1");
  assert.equal(run(tested, txn([], [])), "then@2");
  assert.equal(run(tested, txn([], [op.range("a"), op.delete("none")])), "then@2 range@2[a=1 c2 m2 v1] delete@2:0");
});

test("nested compares look at the state before the transaction, nested operations do not", async () => {
  await using tested = await TestStore.on(await memoryDisk());
  const isNew = compare("k", { target: On.VERSION, result: Result.EQUAL });
  const nested = op.txn(txn([isNew], [op.range("k")], [op.put("never", "")]));
  // The nested response has a header of its own, which is empty.
  assert.equal(run(tested, txn([isNew], [op.put("k", "1"), nested])), "then@2 put@2 then@0( range@2[k=1 c2 m2 v1] )");
  assert.equal(run(tested, txn([isNew], [], [nested])), "else@3 else@0( put@3 )");
});

test("compares: a missing key counts as zeros, but no condition on its value is met", async () => {
  await using tested = await TestStore.on(await memoryDisk());
  tested.put("k", "m");
  tested.put("gone", "");
  tested.delete("gone");
  for (const key of ["none", "gone"]) {
    for (const target of [On.VERSION, On.CREATE, On.MOD, On.LEASE]) {
      assert.ok(isTrue(tested, compare(key, { target, result: Result.EQUAL })));
      assert.ok(!isTrue(tested, compare(key, { target, result: Result.GREATER })));
    }
    for (const result of [Result.EQUAL, Result.NOT_EQUAL, Result.GREATER, Result.LESS])
      assert.ok(
        !isTrue(tested, compare(key, { target: On.VALUE, result, targetUnion: { $case: "value", value: bytes("m") } })),
      );
  }
});

test("compares: every target against smaller, equal and larger", async () => {
  await using tested = await TestStore.on(await memoryDisk());
  tested.put("filler", "");
  tested.put("k", "l");
  tested.put("filler", "");
  tested.put("k", "m"); // created at 3, changed at 5, version 2
  const number = (target: On, $case: "version" | "createRevision" | "modRevision" | "lease", held: bigint): void => {
    for (const by of [-1n, 0n, 1n, -(2n ** 62n), 2n ** 62n]) {
      const given = { target, targetUnion: { $case, value: held + by } } as const;
      assert.equal(isTrue(tested, compare("k", { ...given, result: Result.EQUAL })), by === 0n);
      assert.equal(isTrue(tested, compare("k", { ...given, result: Result.NOT_EQUAL })), by !== 0n);
      assert.equal(isTrue(tested, compare("k", { ...given, result: Result.GREATER })), by < 0n);
      assert.equal(isTrue(tested, compare("k", { ...given, result: Result.LESS })), by > 0n);
    }
  };
  number(On.VERSION, "version", 2n);
  number(On.CREATE, "createRevision", 3n);
  number(On.MOD, "modRevision", 5n);
  number(On.LEASE, "lease", 0n);
  for (const [against, sign] of [
    ["l", 1],
    ["m", 0],
    ["m\0", -1],
    ["\xff", -1],
    ["", 1],
  ] as const) {
    const given = { target: On.VALUE, targetUnion: { $case: "value", value: bytes(against) } } as const;
    assert.equal(isTrue(tested, compare("k", { ...given, result: Result.EQUAL })), sign === 0);
    assert.equal(isTrue(tested, compare("k", { ...given, result: Result.NOT_EQUAL })), sign !== 0);
    assert.equal(isTrue(tested, compare("k", { ...given, result: Result.GREATER })), sign > 0);
    assert.equal(isTrue(tested, compare("k", { ...given, result: Result.LESS })), sign < 0);
  }
});

test("compares: an operand of another kind counts as 0 or empty, unknown numbers as etcd takes them", async () => {
  await using tested = await TestStore.on(await memoryDisk());
  tested.put("k", "");
  const wrong = { $case: "modRevision", value: 2n } as const;
  assert.ok(isTrue(tested, compare("none", { target: On.VERSION, targetUnion: wrong })));
  assert.ok(isTrue(tested, compare("k", { target: On.VALUE, targetUnion: wrong })));
  assert.ok(!isTrue(tested, compare("k", { target: On.VERSION, targetUnion: undefined })));
  assert.ok(isTrue(tested, compare("k", { target: On.VERSION, result: 9 as Result })));
  assert.ok(isTrue(tested, compare("k", { target: 9 as On, result: Result.EQUAL })));
  assert.ok(!isTrue(tested, compare("k", { target: 9 as On, result: Result.LESS })));
});

test("compares: over a range for every existing key; over an empty range as for a missing key", async () => {
  await using tested = await TestStore.on(await memoryDisk());
  for (const key of ["a", "b", "b", "x"]) tested.put(key, "v");
  tested.put("ab", "gone");
  tested.delete("ab");
  const versionIsOne = { target: On.VERSION, targetUnion: { $case: "version", value: 1n } } as const;
  assert.ok(!isTrue(tested, compare("a", { ...versionIsOne, rangeEnd: bytes("c") })));
  assert.ok(isTrue(tested, compare("a", { ...versionIsOne, rangeEnd: bytes("b") })));
  assert.ok(!isTrue(tested, compare("c", { ...versionIsOne, rangeEnd: bytes("d") })));
  assert.ok(isTrue(tested, compare("c", { target: On.MOD, rangeEnd: bytes("d") })));
  assert.ok(!isTrue(tested, compare("a", { ...versionIsOne, result: Result.LESS, rangeEnd: bytes("\0") })));
});

test("a transaction that fails has changed nothing", async () => {
  await using tested = await TestStore.on(await memoryDisk());
  for (const key of ["a", "b"]) tested.put(key, "before");
  tested.store.compact(2);
  const changes = [op.put("a", "x"), op.put("new", "x"), op.delete("b")];
  const before = await tested.range("a", { rangeEnd: "\0" });
  const failing = [
    [op.put("none", "", { ignoreValue: true }), KeyNotFoundError],
    [op.put("none", "", { ignoreLease: true }), KeyNotFoundError],
    [op.put("c", "", { lease: 9n }), LeaseNotFoundError],
    [op.range("a", { revision: 4 }), FutureRevisionError], // the revision that the transaction itself would take
    [op.range("a", { revision: 1 }), CompactedError],
    [op.range("a", { revision: -1 }), CompactedError], // an error here, unlike in a Range by itself
    [op.txn(txn([], [op.put("none", "", { ignoreValue: true })])), KeyNotFoundError],
  ] as const;
  for (const [wrong, error] of failing) {
    assert.throws(() => applyTxn(tested, txn([], [...changes, wrong])), error);
    assert.deepEqual(await tested.range("a", { rangeEnd: "\0" }), before);
    assert.equal(run(tested, txn([], [], [wrong])), "then@3"); // operations of the other branch are not checked
  }
});

test("a transaction that fails half-way is reverted", async () => {
  await using tested = await TestStore.on(await memoryDisk(), { responseBytes: 1_000 });
  for (const [key, value] of [
    ["a", "2"],
    ["b", "3"],
    ["b", "4"],
    ["old", "5"],
    ["z", "z".repeat(1_001)],
  ] as const)
    tested.put(key, value);
  tested.delete("old");
  const before = { kvs: ["a=2 c2 m2 v1", "b=4 c3 m4 v2"], more: false, count: 2, revision: 7 };
  // The size of the answer exceeds the limit only with the last operation.
  const tooLarge = op.put("z", "x", { prevKv: true });
  const ops = [op.put("a", "x"), op.put("new", "x"), op.put("old", "x"), op.delete("b"), op.put("c", "x"), tooLarge];
  assert.throws(() => applyTxn(tested, txn([], ops)), TooLargeError);
  assert.deepEqual(await tested.range("a", { rangeEnd: "z" }), before);
  assert.deepEqual((await tested.range("b", { revision: 3 })).kvs, ["b=3 c3 m3 v1"]);
  tested.put("new", "after");
  const { whenFinished } = tested.store.compact(8);
  await tested.save();
  await whenFinished;
  await tested.reopen();
  assert.deepEqual((await tested.range("a", { rangeEnd: "z" })).kvs, [...before.kvs, "new=after c8 m8 v1"]);
});

test("a transaction fails for the first of its invalid operations, and a put for its lease before its key", async () => {
  await using tested = await TestStore.on(await memoryDisk());
  const wrong = op.put("k", "", { ignoreValue: true });
  const failing = [
    [[op.put("k", "", { ignoreValue: true, lease: 9n })], LeaseNotFoundError],
    [[op.range("a", { revision: 9 }), wrong], FutureRevisionError],
    [[wrong, op.range("a", { revision: 9 })], KeyNotFoundError],
    [[op.txn(txn([], [op.range("a", { revision: 9 })])), wrong], FutureRevisionError],
  ] as const;
  for (const [ops, error] of failing) {
    assert.throws(() => applyTxn(tested, txn([], [...ops])), error);
    assert.throws(() => runAtOnce(tested.store.txn(txn([], [...ops]))), error);
  }
});

test("a key changed twice in one revision has the last value at that revision", async () => {
  await using tested = await TestStore.on(await memoryDisk());
  tested.put("k", "0");
  run(tested, txn([], [op.delete("k", "\0"), op.put("k", "1")]));
  tested.put("k", "2");
  await tested.save();
  await tested.reopen();
  assert.deepEqual((await tested.range("k", { revision: 3 })).kvs, ["k=1 c3 m3 v1"]);
  assert.deepEqual((await tested.range("k")).kvs, ["k=2 c3 m4 v2"]);
});

test("a transaction of a few single keys is done at once, others in slices", async () => {
  await using tested = await TestStore.on(await memoryDisk());
  const { store } = tested;
  const of = (...ops: Parameters<typeof txn>[1]): TxnRequest => txn([compare("a", {})], ops);
  const puts = Array.from({ length: 127 }, (_, n) => op.put(`k${n}`, "v"));
  for (const small of [of(), of(op.put("a", "v"), op.range("a"), op.delete("a")), of(...puts)])
    assert.notEqual(store.smallTxn(small), undefined);
  const { revision } = store;
  const large = [of(...puts, op.put("a", "v")), of(op.range("a", { rangeEnd: "b" })), of(op.delete("a", "b"))];
  const others = [
    of(op.txn(of())),
    txn([compare("a", { rangeEnd: bytes("b") })], []),
    of(op.range("a", { keysOnly: true })),
  ];
  for (const other of [...large, ...others]) assert.equal(store.smallTxn(other), undefined);
  assert.equal(store.revision, revision);
});

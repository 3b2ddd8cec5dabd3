import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { RangeRequest_SortOrder as Order, RangeRequest_SortTarget as Target } from "../../proto/index.js";
import {
  CompactedError,
  FutureRevisionError,
  KeyNotFoundError,
  type LeaseId,
  LeaseNotFoundError,
  runAtOnce,
} from "../../store/index.js";
import { KeyValue } from "../../proto/index.js";
import { TestStore, deleteRange, disks, op, put, range, showKv, txn } from "./harness.js";

for (const { name, create } of disks) {
  describe(`on ${name}`, () => {
    test("an empty store has revision 1, and only changes of keys advance it", async () => {
      await using tested = await TestStore.on(await create());
      const { store } = tested;
      assert.equal(store.revision, 1);
      assert.equal(store.compactRevision, -1);
      assert.equal(store.put(put("a", "1")).revision, 2);
      assert.equal(store.put(put("a", "1")).revision, 3); // a put of the same value is a change, too
      assert.equal(runAtOnce(store.deleteRange(deleteRange("none"))).revision, 3);
      assert.equal(runAtOnce(store.deleteRange(deleteRange("a", "z"))).revision, 4);
    });

    test("a put counts versions, and starts again after a delete", async () => {
      await using tested = await TestStore.on(await create());
      tested.put("k", "1");
      tested.put("k", "2");
      assert.deepEqual((await tested.range("k")).kvs, ["k=2 c2 m3 v2"]);
      tested.delete("k");
      assert.deepEqual(await tested.range("k"), { kvs: [], more: false, count: 0, revision: 4 });
      tested.put("k", "3");
      assert.deepEqual((await tested.range("k")).kvs, ["k=3 c5 m5 v1"]);
    });

    test("a put and a delete return previous values on request, in key order", async () => {
      await using tested = await TestStore.on(await create());
      const { store } = tested;
      assert.equal(store.put(put("b", "1", { prevKv: true })).response.prevKv.length, 0);
      const again = store.put(put("b", "2", { prevKv: true }));
      assert.equal(showKv(KeyValue.decode(again.response.prevKv)), "b=1 c2 m2 v1");
      tested.put("a", "3");
      const { response } = runAtOnce(store.deleteRange(deleteRange("a", "z", { prevKv: true })));
      const previous = response.prevKvs.map((kv) => showKv(KeyValue.decode(kv)));
      assert.deepEqual(previous, ["a=3 c4 m4 v1", "b=2 c2 m3 v2"]);
      assert.equal(response.deleted, 2n);
      assert.deepEqual(runAtOnce(store.deleteRange(deleteRange("a", "z", { prevKv: true }))).response.prevKvs, []);
    });

    test("ignore_value keeps the value, and both ignores together only raise its version", async () => {
      await using tested = await TestStore.on(await create());
      tested.put("k", "kept");
      await tested.save();
      tested.put("k", "", { ignoreValue: true });
      tested.put("k", "", { ignoreValue: true, ignoreLease: true });
      assert.deepEqual((await tested.range("k")).kvs, ["k=kept c2 m4 v3"]);
      tested.put("k", "new", { ignoreLease: true });
      assert.deepEqual((await tested.range("k")).kvs, ["k=new c2 m5 v4"]);
    });

    test("a refused put changes nothing; the lease is checked before the key", async () => {
      await using tested = await TestStore.on(await create());
      const { store } = tested;
      assert.throws(() => store.put(put("k", "v", { lease: 5n })), LeaseNotFoundError);
      assert.throws(() => store.put(put("k", "", { ignoreValue: true })), KeyNotFoundError);
      assert.throws(() => store.put(put("k", "", { ignoreLease: true })), KeyNotFoundError);
      assert.throws(() => store.put(put("k", "", { ignoreValue: true, lease: 5n })), LeaseNotFoundError);
      assert.equal(store.revision, 1);
      assert.equal((await tested.range("\0", { rangeEnd: "\0" })).count, 0);
      tested.put("k", "v");
      tested.delete("k");
      assert.throws(() => store.put(put("k", "", { ignoreValue: true })), KeyNotFoundError);
    });

    test("a range end has etcd's meaning: a key, a prefix, from a key on, everything", async () => {
      await using tested = await TestStore.on(await create());
      for (const key of ["\0", "a", "a\0", "ab", "b", "\xfe", "\xff", "\xff\xff"]) tested.put(key, "v");
      const keys = async (key: string, rangeEnd: string): Promise<string[]> =>
        (await tested.range(key, { rangeEnd })).kvs.map((kv) => kv.slice(0, kv.indexOf("=")));
      assert.deepEqual(await keys("a", ""), ["a"]); // one key
      assert.deepEqual(await keys("a", "b"), ["a", "a\0", "ab"]); // a prefix
      assert.deepEqual(await keys("a\0", "b"), ["a\0", "ab"]); // the next page
      assert.deepEqual(await keys("b", "\0"), ["b", "\xfe", "\xff", "\xff\xff"]); // an interval without an end
      assert.deepEqual(await keys("\xff", "\0"), ["\xff", "\xff\xff"]); // the prefix of 0xff
      assert.equal((await keys("\0", "\0")).length, 8); // everything
      assert.deepEqual(await keys("b", "a"), []); // a range end before the key
      assert.deepEqual(await keys("b", "b"), []);
    });

    test("past revisions can be read until they are compacted; future ones cannot", async () => {
      await using tested = await TestStore.on(await create());
      tested.put("k", "1");
      tested.put("k", "2");
      tested.delete("k");
      await tested.save();
      tested.put("k", "3");
      assert.deepEqual((await tested.range("k", { revision: 1 })).kvs, []);
      assert.deepEqual(await tested.range("k", { revision: 2 }), {
        kvs: ["k=1 c2 m2 v1"],
        more: false,
        count: 1,
        revision: 5,
      });
      assert.deepEqual((await tested.range("k", { revision: 3 })).kvs, ["k=2 c2 m3 v2"]);
      assert.deepEqual((await tested.range("k", { revision: 4 })).kvs, []);
      assert.deepEqual((await tested.range("k", { revision: -5 })).kvs, ["k=3 c5 m5 v1"]); // 0 and below: the present revision
      assert.throws(() => tested.store.range(range("k", { revision: 6 })), FutureRevisionError);
      assert.throws(() => tested.store.range(range("k", { revision: 6, countOnly: true })), FutureRevisionError);
      tested.store.compact(3);
      assert.throws(() => tested.store.range(range("k", { revision: 2 })), CompactedError);
      assert.deepEqual((await tested.range("k", { revision: 3 })).kvs, ["k=2 c2 m3 v2"]);
    });

    test("count is that of the interval, more says whether the answer omits keys", async () => {
      await using tested = await TestStore.on(await create());
      for (const key of ["a", "b", "c", "d"]) tested.put(key, key);
      const all = { rangeEnd: "\0" };
      const summaryOf = async (options: Parameters<typeof range>[1]): Promise<unknown[]> => {
        const { kvs, more, count } = await tested.range("a", { ...all, ...options });
        return [kvs.map((kv) => kv[0]).join(""), more, count];
      };
      assert.deepEqual(await summaryOf({ limit: 2 }), ["ab", true, 4]);
      assert.deepEqual(await summaryOf({ limit: 4 }), ["abcd", false, 4]);
      assert.deepEqual(await summaryOf({ limit: -1 }), ["abcd", false, 4]);
      assert.deepEqual(await summaryOf({ countOnly: true }), ["", false, 4]);
      assert.deepEqual(await summaryOf({ countOnly: true, keysOnly: true, limit: 1 }), ["", false, 4]);
      // Filters are inclusive, apply before the limit, and do not change the count.
      assert.deepEqual(await summaryOf({ minModRevision: 3n, maxModRevision: 4n }), ["bc", false, 4]);
      assert.deepEqual(await summaryOf({ minCreateRevision: 3n, limit: 2 }), ["bc", true, 4]);
      assert.deepEqual(await summaryOf({ maxCreateRevision: 3n, limit: 2 }), ["ab", false, 4]);
      assert.deepEqual(await summaryOf({ maxModRevision: -1n }), ["", false, 4]);
    });

    test("keys_only omits the value and the lease, at the newest and at past revisions", async () => {
      await using tested = await TestStore.on(await create());
      tested.store.grantLease({ id: 7n as LeaseId, ttlSeconds: 60, generation: 1 });
      tested.put("k", "1", { lease: 7n });
      tested.put("k", "2", { lease: 7n });
      assert.deepEqual((await tested.range("k", { keysOnly: true })).kvs, ["k= c2 m3 v2"]);
      assert.deepEqual((await tested.range("k", { keysOnly: true, revision: 2 })).kvs, ["k= c2 m2 v1"]);
    });

    test("keys_only keeps the lease if the keys are sorted by value, as in etcd 3.7", async () => {
      await using tested = await TestStore.on(await create());
      tested.store.grantLease({ id: 7n as LeaseId, ttlSeconds: 60, generation: 1 });
      tested.put("k", "1", { lease: 7n });
      tested.put("k", "2", { lease: 7n });
      for (const sortOrder of [Order.NONE, Order.ASCEND]) {
        const options = { keysOnly: true, sortTarget: Target.VALUE, sortOrder };
        assert.deepEqual((await tested.range("k", options)).kvs, ["k= c2 m3 v2 l7"]);
        assert.deepEqual((await tested.range("k", { ...options, revision: 2 })).kvs, ["k= c2 m2 v1 l7"]);
      }
    });

    test("sorts by each target, in both orders, at the newest and at past revisions", async () => {
      await using tested = await TestStore.on(await create());
      for (const [key, value] of [
        ["b", "3"],
        ["a", "2"],
        ["c", "1"],
        ["b", "0"],
      ] as const)
        tested.put(key, value);
      const revision = tested.store.revision;
      const order = async (sortTarget: Target, sortOrder: Order, at: number): Promise<string> => {
        const { kvs } = await tested.range("a", { rangeEnd: "\0", sortTarget, sortOrder, revision: at });
        return kvs.map((kv) => kv[0]).join("");
      };
      for (const at of [0, revision]) {
        assert.equal(await order(Target.KEY, Order.DESCEND, at), "cba");
        assert.equal(await order(Target.VERSION, Order.DESCEND, at), "bac");
        assert.equal(await order(Target.CREATE, Order.ASCEND, at), "bac");
        assert.equal(await order(Target.MOD, Order.ASCEND, at), "acb");
        assert.equal(await order(Target.MOD, Order.NONE, at), "acb"); // a target without an order is ascending
        assert.equal(await order(Target.VALUE, Order.ASCEND, at), "bca");
        assert.equal(await order(Target.VALUE, Order.DESCEND, at), "acb");
        for (const key of ["a", "b", "c"]) tested.put(key, "later"); // the second round reads history
      }
    });

    test("a limit with a target but no order takes the first keys, then sorts them, as etcd does", async () => {
      await using tested = await TestStore.on(await create());
      for (const key of ["d", "c", "b", "a"]) tested.put(key, key);
      const { kvs, more } = await tested.range("a", { rangeEnd: "\0", limit: 2, sortTarget: Target.MOD });
      // The first limit + 1 keys in key order are a, b and c; the two oldest of them are c and b. d is the oldest, but not among them.
      assert.deepEqual([kvs.map((kv) => kv[0]).join(""), more], ["cb", true]);
      const sorted = await tested.range("a", {
        rangeEnd: "\0",
        limit: 2,
        sortTarget: Target.MOD,
        sortOrder: Order.ASCEND,
      });
      assert.deepEqual(sorted.kvs.map((kv) => kv[0]).join(""), "dc");
    });

    test("a sorted answer with a limit has the keys that a full sort puts first", async () => {
      await using tested = await TestStore.on(await create());
      const count = 300;
      const keys = Array.from({ length: count }, (_, n) => `k${String((n * 7) % count).padStart(3, "0")}`);
      for (const [n, key] of keys.entries()) {
        tested.put(key, `${(n * 31) % 50}`); // six keys for each value
        for (let again = 0; again < n % 5; again++) tested.put(key, `${(n * 31) % 50}`);
      }
      for (const sortTarget of [Target.VERSION, Target.CREATE, Target.MOD, Target.VALUE])
        for (const sortOrder of [Order.ASCEND, Order.DESCEND])
          for (const limit of [1, 10, 299, 300]) {
            const asked = { rangeEnd: "l", sortTarget, sortOrder };
            const all = await tested.range("k", asked);
            const first = await tested.range("k", { ...asked, limit });
            assert.deepEqual(first, { ...all, kvs: all.kvs.slice(0, limit), more: limit < count });
          }
    });

    test("an answer of more than its bound is refused", async () => {
      await using tested = await TestStore.on(await create(), { responseBytes: 1_000 });
      for (const key of ["a", "b", "c"]) tested.put(key, "x".repeat(400));
      assert.throws(() => tested.store.range(range("a", { rangeEnd: "\0" })), { code: "too-large" });
      assert.equal((await tested.range("a", { rangeEnd: "\0", limit: 2 })).kvs.length, 2);
      assert.equal((await tested.range("a", { rangeEnd: "\0", keysOnly: true })).kvs.length, 3);
    });

    test("an answer of a transaction or a delete beyond the bound is refused, and nothing changes", async () => {
      await using tested = await TestStore.on(await create(), { responseBytes: 1_000 });
      for (const key of ["a", "b", "c"]) tested.put(key, "x".repeat(400));
      const parts = {
        ranges: [op.range("a"), op.range("b"), op.range("c")],
        nested: [op.range("a"), op.txn(txn([], [op.range("b"), op.range("c")]))],
        previous: [op.put("a", "", { prevKv: true }), op.delete("b", "d", { prevKv: true })],
      };
      for (const [name, some] of Object.entries(parts)) {
        const request = txn([], [op.put("d", ""), ...some]);
        assert.throws(() => runAtOnce(tested.store.txn(request)), { code: "too-large" }, name);
      }
      assert.throws(() => runAtOnce(tested.store.deleteRange(deleteRange("a", "d", { prevKv: true }))), {
        code: "too-large",
      });
      assert.equal(tested.store.revision, 4);
      assert.equal((await tested.range("a", { rangeEnd: "\0", keysOnly: true })).kvs.length, 3);
      const { response } = runAtOnce(tested.store.txn(txn([], [op.range("a"), op.delete("b", "", { prevKv: true })])));
      assert.equal(response.responses.length, 2);
      assert.equal(runAtOnce(tested.store.deleteRange(deleteRange("a", "d"))).response.deleted, 2n);
    });
  });
}

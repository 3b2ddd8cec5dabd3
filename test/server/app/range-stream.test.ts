import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { CompactionRequest, KeyValue, PutRequest, RangeRequest } from "../../../proto/index.js";
import { resultOf, type RangeChunk } from "../../../server/app/index.js";
import { nextChunkKeys } from "../../../server/app/range-stream.js";
import { anonymousCaller } from "../../../server/base/index.js";
import { startApplication } from "./application-fixtures.js";

const key = (text: string): Uint8Array => Buffer.from(text);
const nameOf = (n: number): string => `k${String(n).padStart(3, "0")}`;
const all = { key: key("k"), rangeEnd: key("l") };

/** Returns an application with keys `k000`, `k001`, …, and a function that reads a stream chunk by chunk. */
const withKeys = async (t: TestContext, count: number) => {
  const { application } = await startApplication(t);
  const put = (name: string, value = "v") =>
    resultOf(application.put, anonymousCaller, PutRequest.create({ key: key(name), value: key(value) }));
  for (let n = 0; n < count; n++) await put(nameOf(n));
  const open = (fields: Partial<RangeRequest>, hasRoom: () => boolean) => {
    const chunks: RangeChunk[] = [];
    let onReceived: () => void = () => undefined;
    let failure: unknown;
    const session = application.rangeStream(anonymousCaller, RangeRequest.create({ ...all, ...fields }), {
      onChunk: (chunk) => {
        chunks.push(chunk);
        onReceived();
        return hasRoom();
      },
      onError: (error) => {
        failure = error;
        onReceived();
      },
    });
    const waitUntil = async (isThere: () => boolean): Promise<void> => {
      while (!isThere() && failure === undefined) await new Promise<void>((resolve) => (onReceived = resolve));
    };
    const end = async () => {
      await waitUntil(() => chunks.at(-1)?.end !== undefined);
      return chunks;
    };
    return { session, chunks, waitUntil, end, failure: () => failure };
  };
  return { application, put, open };
};

const sizes = (chunks: readonly RangeChunk[]): number[] => chunks.map(({ kvs }) => kvs.length);
const names = (chunks: readonly RangeChunk[]): string[] =>
  chunks.flatMap(({ kvs }) => kvs.map((bytes) => Buffer.from(KeyValue.decode(bytes).key).toString()));

test("chunks double in size, and only the last one has count and more", async (t) => {
  const { open } = await withKeys(t, 100);
  const chunks = await open({}, () => true).end();
  assert.deepEqual(sizes(chunks), [10, 20, 40, 30]);
  assert.deepEqual(
    names(chunks),
    Array.from({ length: 100 }, (_, n) => nameOf(n)),
  );
  assert.deepEqual(
    chunks.map(({ end }) => end),
    [undefined, undefined, undefined, { more: false, count: 100n, revision: 101 }],
  );
});

test("a limit applies to all chunks together, and the keys beyond it are counted", async (t) => {
  const { open } = await withKeys(t, 50);
  const chunks = await open({ limit: 25n }, () => true).end();
  assert.deepEqual(sizes(chunks), [10, 15]);
  assert.deepEqual(chunks.at(-1)?.end, { more: true, count: 50n, revision: 51 });
});

test("no chunk is read for a listener without room, and later writes are not visible", async (t) => {
  const { open, put } = await withKeys(t, 40);
  let hasRoom = false;
  const stream = open({}, () => hasRoom);
  await stream.waitUntil(() => stream.chunks.length === 1);
  await put(nameOf(39), "changed");
  await put("k999");
  assert.deepEqual(sizes(stream.chunks), [10]);
  hasRoom = true;
  stream.session.resume();
  const chunks = await stream.end();
  assert.deepEqual(sizes(chunks), [10, 20, 10]);
  const last = chunks.at(-1)?.kvs.at(-1);
  assert.ok(last);
  assert.equal(Buffer.from(KeyValue.decode(last).value).toString(), "v");
  assert.deepEqual(chunks.at(-1)?.end, { more: false, count: 40n, revision: 41 });
});

test("a stream whose revision is compacted before it is read ends with etcd's error", async (t) => {
  const { application, open, put } = await withKeys(t, 40);
  const stream = open({}, () => false);
  await stream.waitUntil(() => stream.chunks.length === 1);
  await put("other");
  await resultOf(application.compact, anonymousCaller, CompactionRequest.create({ revision: 42n }));
  stream.session.resume();
  await stream.waitUntil(() => false);
  assert.equal((stream.failure() as { code: string }).code, "compacted");
});

test("nothing is sent after a stream is closed", async (t) => {
  const { open, put } = await withKeys(t, 40);
  const stream = open({}, () => false);
  await stream.waitUntil(() => stream.chunks.length === 1);
  stream.session.close();
  await put("other");
  assert.deepEqual([sizes(stream.chunks), stream.failure()], [[10], undefined]);
});

test("keys_only leaves out values, and count_only is one chunk", async (t) => {
  const { open } = await withKeys(t, 12);
  const chunks = await open({ keysOnly: true }, () => true).end();
  const values = chunks.flatMap(({ kvs }) => kvs.map((bytes) => KeyValue.decode(bytes).value.length));
  assert.deepEqual([values.length, Math.max(...values)], [12, 0]);
  assert.deepEqual(await open({ countOnly: true, limit: 3n }, () => true).end(), [
    { kvs: [], end: { more: false, count: 12n, revision: 13 } },
  ]);
});

for (const [what, fields, code] of [
  ["an order", { sortOrder: 2 }, "stream-sort"],
  ["bounds on revisions", { minModRevision: 1n }, "stream-filters"],
  ["a key that is empty", { key: new Uint8Array() }, "empty-key"],
] as const)
  test(`${what} is refused at once`, async (t) => {
    const { open } = await withKeys(t, 0);
    assert.throws(() => open(fields, () => true), { code });
  });

test("the number of keys of a chunk stays between one and the maximum", () => {
  assert.deepEqual(
    [nextChunkKeys(10, 49, 100), nextChunkKeys(10, 50, 100), nextChunkKeys(10, 200, 100), nextChunkKeys(1, 201, 100)],
    [20, 10, 10, 1],
  );
});

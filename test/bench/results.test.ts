// Results of the bench: event counts and flame graphs.

import assert from "node:assert/strict";
import { runInNewContext } from "node:vm";
import test from "node:test";
import { flameOf, flamePage, prune, type CpuProfile, type Flame } from "../../bench/flame-graph.js";
import { countWatch } from "../../bench/load/watch-count.js";
import { WatchResponse } from "../../proto/index.js";

test("the events of a watch response are counted without decoding them", () => {
  const event = { kv: { key: Buffer.from("k"), value: Buffer.alloc(300) } };
  const header = { clusterId: 2n ** 63n, memberId: 1n, revision: 7n, raftTerm: 2n };
  const count = (response: Parameters<typeof WatchResponse.fromPartial>[0]) =>
    countWatch(WatchResponse.encode(WatchResponse.fromPartial(response)).finish());
  assert.deepEqual(count({ header, watchId: 2n ** 40n, events: [event, {}, event] }), { created: false, events: 3 });
  assert.deepEqual(count({ header, created: true }), { created: true, events: 0 });
  assert.deepEqual(count({}), { created: false, events: 0 });
});

const node = (id: number, functionName: string, ...children: number[]): CpuProfile["nodes"][number] => ({
  id,
  callFrame: { functionName, url: "file:///p/dist/a.js", lineNumber: 4 },
  children,
});
const profile: CpuProfile = {
  nodes: [node(1, "(root)", 2, 3, 4), node(2, "f", 5), node(3, "f"), node(4, "(idle)"), node(5, "</script>")],
  samples: [2, 3, 4, 5, 5],
  timeDeltas: [10, 20, 1_000, 30, 0],
};

test("a flame graph adds up calls of the same function, and leaves out the idle time", () => {
  const root = flameOf(profile);
  assert.equal(root.micros, 60);
  const [f, ...others] = root.children;
  assert.deepEqual(others, []);
  assert.deepEqual([f?.name, f?.micros], ["f dist/a.js:5", 60]);
  assert.deepEqual(f?.children, [{ name: "</script> dist/a.js:5", micros: 30, children: [] }]);
});

test("a flame graph omits parts that are too narrow, and draws the widest first", () => {
  const leaf = (name: string, micros: number): Flame => ({ name, micros, children: [] });
  const root = { name: "r", micros: 10_000, children: [leaf("narrow", 4), leaf("a", 5), leaf("b", 9_991)] };
  assert.deepEqual(
    prune(root).children.map(({ name }) => name),
    ["b", "a"],
  );
});

test("the script of a flame graph stays valid with any function names", () => {
  const scripts = [...flamePage("<title>", flameOf(profile)).matchAll(/<script>(.*?)<\/script>/gs)];
  assert.equal(scripts.length, 1);
  const drawn: string[] = [];
  const element = () => ({ style: {}, append: () => undefined, replaceChildren: () => undefined });
  const createElement = () =>
    Object.defineProperty(element(), "textContent", { set: (text: string) => void drawn.push(text) });
  runInNewContext(scripts[0]?.[1] ?? "", { document: { createElement, getElementById: element } });
  assert.deepEqual(drawn, ["(root) dist/a.js:5", "f dist/a.js:5", "</script> dist/a.js:5"]);
});

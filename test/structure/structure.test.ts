import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { roomOf, rooms } from "./rooms.js";
import { cyclesOf, importsOf, sources } from "./sources.js";

/** Rooms that each room actually imports. */
const imported = new Map(Object.keys(rooms).map((room) => [room, new Set<string>()]));
for (const file of sources) {
  const room = roomOf(file);
  if (room === undefined) continue;
  for (const target of importsOf(file)) {
    const other = roomOf(target);
    if (other !== undefined && other !== room) imported.get(room)!.add(other);
  }
}

describe("rooms", () => {
  it("hold every source file of the product", () => {
    assert.deepEqual(
      sources.filter((file) => roomOf(file) === undefined),
      [],
    );
  });

  it("import exactly the rooms that the table in docs/architecture.md names", () => {
    const table = readFileSync("docs/architecture.md", "utf8").matchAll(/^\| `([\w/-]+)\/` \| [^|]* \| ([^|]*) \|$/gm);
    const documented = [...table].map(([, room, names]) => [
      room!,
      [...names!.matchAll(/`([^`]+)`/g)].map(([, n]) => n),
    ]);
    assert.deepEqual(Object.fromEntries(documented), rooms);
    for (const [room, others] of imported) assert.deepEqual([...others].sort(), [...rooms[room]!].sort(), room);
  });

  it("come after the rooms that they import, so that there is no cycle", () => {
    const before = new Set<string>();
    for (const [room, others] of Object.entries(rooms)) {
      for (const other of others) assert.ok(before.has(other), `${room} imports ${other}, which comes after it`);
      before.add(room);
    }
  });
});

describe("source files", () => {
  it("do not import one another in a circle, types included", () => {
    assert.deepEqual(cyclesOf(new Map(sources.map((file) => [file, importsOf(file)]))), []);
  });
});

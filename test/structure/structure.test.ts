import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, it } from "node:test";
import ts from "typescript";
import { roomOf, rooms } from "./rooms.js";

const tops = [...new Set(Object.keys(rooms).map((room) => room.split("/")[0]!))];
const sources = tops.flatMap((top) =>
  readdirSync(top, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .map((name) => path.posix.join(top, name.split(path.sep).join("/"))),
);

/** Files that a source file imports or exports from, as paths from the repository's root. */
const importsOf = (file: string): string[] =>
  ts
    .preProcessFile(readFileSync(file, "utf8"), true, false)
    .importedFiles.map(({ fileName }) => fileName)
    .filter((name) => name.startsWith("."))
    .map((name) => path.posix.join(path.posix.dirname(file), name).replace(/\.js$/, ".ts"));

/** Rooms that each room imports in fact. */
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
    const done = new Set<string>();
    const visit = (file: string, way: readonly string[]): void => {
      assert.ok(!way.includes(file), `a circle of imports: ${[...way.slice(way.indexOf(file)), file].join(" -> ")}`);
      if (done.has(file)) return;
      for (const next of importsOf(file)) if (sources.includes(next)) visit(next, [...way, file]);
      done.add(file);
    };
    for (const file of sources) visit(file, []);
  });
});

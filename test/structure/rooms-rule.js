// A rule for eslint: a file imports its own room, and the doors of the rooms that its room may import.
import path from "node:path";
import { roomOf, rooms } from "./rooms.js";

/** Folders that are not rooms; no file of the product may import from them. */
const outside = /^(test|bench|examples)\//;

const problemOf = (file, target) => {
  const room = roomOf(file);
  if (room === undefined) return "This folder is no room: add it to test/structure/rooms.js and docs/architecture.md.";
  if (outside.test(target)) return "The product does not import its tests, benches or examples.";
  const other = roomOf(target);
  if (other === room || other === undefined) return undefined;
  if (!rooms[room].includes(other))
    return `${room}/ may import only: ${rooms[room].join(", ") || "nothing of ours"}. See docs/architecture.md.`;
  return path.basename(target) === "index.js" ? undefined : `Import ${other}/ through its door, index.js.`;
};

export const roomsRule = {
  meta: { type: "problem", schema: [] },
  create(context) {
    const file = path.relative(context.cwd, context.filename).split(path.sep).join("/");
    const check = (node) => {
      const source = node.source?.value;
      if (typeof source !== "string" || !source.startsWith(".")) return;
      const target = path.posix.join(path.posix.dirname(file), source);
      const message = problemOf(file, target);
      if (message !== undefined) context.report({ node: node.source, message });
    };
    return {
      ImportDeclaration: check,
      ExportNamedDeclaration: check,
      ExportAllDeclaration: check,
      ImportExpression: check,
    };
  },
};

// `npm run build` does not disturb programs that run from dist/ meanwhile.

import assert from "node:assert/strict";
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { fileURLToPath } from "node:url";
import { eventually } from "../support/deadline.js";
import { tempFolder } from "../support/temp-folder.js";

const builder = fileURLToPath(new URL("../../build.js", import.meta.url));
const deadlineMs = 20_000;

/** A project of one module. */
const project = async (text: string) => {
  const folder = await tempFolder();
  const options = {
    module: "nodenext",
    target: "es2022",
    types: [],
    lib: ["es5"],
    skipLibCheck: true,
    declaration: true,
  };
  writeFileSync(
    join(folder.path, "tsconfig.build.json"),
    JSON.stringify({ compilerOptions: options, files: ["a.ts"] }),
  );
  writeFileSync(join(folder.path, "package.json"), JSON.stringify({ type: "module", bin: { a: "dist/a.js" } }));
  writeFileSync(join(folder.path, "a.ts"), text);
  return folder;
};

const startBuild = (folder: string): ChildProcess => spawn(process.execPath, [builder], { cwd: folder });

const build = async (folder: string): Promise<number> => {
  const [code] = (await once(startBuild(folder), "exit")) as [number];
  return code;
};

const contents = (folder: string): Record<string, string> => {
  const dist = join(folder, "dist");
  return Object.fromEntries(readdirSync(dist).map((name) => [name, readFileSync(join(dist, name), "utf8").trim()]));
};

/** Contents of dist after a build of `export const a = VALUE;`. */
const buildFilesOf = (value: number): Record<string, string> => ({
  "a.d.ts": `export declare const a = ${value};`,
  "a.js": `// a.ts\nvar a = ${value};\nexport {\n  a\n};`,
});

const buildFolders = (folder: string): string[] => readdirSync(folder).filter((name) => name.startsWith("dist"));

/** Id of a process that has ended. */
const findDeadPid = (): number => spawnSync(process.execPath, ["--version"]).pid;

test("a build of changed sources replaces dist, and removes deleted modules", async () => {
  await using folder = await project("export const a = 1;");
  mkdirSync(join(folder.path, "dist"));
  writeFileSync(join(folder.path, "dist", "gone.js"), "");
  assert.equal(await build(folder.path), 0);
  assert.deepEqual(contents(folder.path), buildFilesOf(1));
  assert.deepEqual(buildFolders(folder.path), ["dist"]);
});

test("a build of the same sources leaves dist untouched", async () => {
  await using folder = await project("export const a = 1;");
  await build(folder.path);
  const identity = () =>
    [join(folder.path, "dist"), join(folder.path, "dist", "a.js")].map((path) => {
      const { ino, mtimeMs } = statSync(path);
      return { ino, mtimeMs };
    });
  const before = identity();
  assert.equal(await build(folder.path), 0);
  assert.deepEqual(identity(), before);
  assert.deepEqual(buildFolders(folder.path), ["dist"]);
});

test("a build that fails leaves dist untouched", async () => {
  await using folder = await project("export const a = 1;");
  await build(folder.path);
  const before = contents(folder.path);
  writeFileSync(join(folder.path, "a.ts"), 'export const a: number = "two";');
  assert.notEqual(await build(folder.path), 0);
  assert.deepEqual(contents(folder.path), before);
  assert.deepEqual(buildFolders(folder.path), ["dist"]);
});

for (const signal of ["SIGTERM", "SIGKILL"] as const)
  test(`a build that is ended by ${signal} leaves dist untouched, and the next build removes its files`, async () => {
    await using folder = await project("export const a = 1;");
    await build(folder.path);
    const before = contents(folder.path);
    writeFileSync(join(folder.path, "a.ts"), "export const a = 2;");
    const child = startBuild(folder.path);
    await eventually(deadlineMs, "the compiler's folder", () =>
      buildFolders(folder.path).length > 1 ? true : undefined,
    );
    child.kill(signal);
    const [code] = (await once(child, "exit")) as [number | null];
    assert.notEqual(code, 0);
    assert.deepEqual(contents(folder.path), before);
    assert.equal(await build(folder.path), 0);
    assert.deepEqual(contents(folder.path), buildFilesOf(2));
  });

test("a build that was killed between its renames is undone by the next one", async () => {
  await using folder = await project('export const a: number = "wrong";');
  const previous = join(folder.path, `dist.previous-${findDeadPid()}`);
  mkdirSync(previous);
  writeFileSync(join(previous, "a.js"), "export const a = 0;");
  assert.notEqual(await build(folder.path), 0);
  assert.deepEqual(contents(folder.path), { "a.js": "export const a = 0;" });
  assert.ok(!existsSync(previous));
});

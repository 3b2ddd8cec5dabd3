// `npm run build [-- <tsc flag>...]`: compiles into a folder of its own beside dist/, which then takes dist/'s place.
//
// The package's doors and programs (`exports` and `bin` of package.json) are bundled by esbuild, with what they share in
// dist/chunks: a program that reads a dozen files starts in half the time of one that reads hundreds. Other packages stay outside.
// TypeScript's compiler checks the types and writes the declarations.
//
// A cluster that runs from dist/, and commands that start from it meanwhile, always find whole modules: dist/ is not touched
// while the compiler works, if it fails, if the build is interrupted, or if the result is what is there already.

import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const dist = "dist";
/** Folders of one build carry its process id, so that the next one recognizes what an interrupted one left. */
const next = `${dist}.next-${process.pid}`;
const previous = `${dist}.previous-${process.pid}`;
const compiler = fileURLToPath(import.meta.resolve("typescript/bin/tsc"));

clearLeftovers();
mkdirSync(next);
const codes = await Promise.all([declare(), bundle()]);
const code = Math.max(...codes);
if (code === 0 && !isSame()) takePlace();
rmSync(next, { recursive: true, force: true });
process.exitCode = code;

/** Writes the declarations. Resolves to the compiler's exit code; a signal ends the compiler first. */
function declare() {
  const words = ["-p", "tsconfig.build.json", "--emitDeclarationOnly", "--outDir", next, ...process.argv.slice(2)];
  const tsc = spawn(process.execPath, [compiler, ...words], { stdio: "inherit" });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => tsc.kill(signal));
  return new Promise((resolve, reject) => {
    tsc.once("error", reject);
    tsc.once("exit", (exitCode) => resolve(exitCode ?? 1));
  });
}

/** Bundles the sources of all doors and programs. Resolves to an exit code. */
async function bundle() {
  const { exports: doors = {}, bin = {} } = JSON.parse(readFileSync("package.json", "utf8"));
  const outputs = [...Object.values(doors).flatMap((door) => door.default ?? []), ...Object.values(bin)];
  try {
    await build({
      entryPoints: outputs.map((path) => path.replace(/^(\.\/)?dist\//, "./").replace(/\.js$/, ".ts")),
      outdir: next,
      outbase: ".",
      chunkNames: "chunks/[name]-[hash]",
      bundle: true,
      splitting: true,
      packages: "external",
      format: "esm",
      platform: "node",
      target: "node20",
    });
    return 0;
  } catch {
    return 1; // esbuild has printed why
  }
}

/** Whether dist/ holds what was compiled, and nothing else. */
function isSame() {
  const [before, after] = [filesIn(dist), filesIn(next)];
  return (
    before.join("\n") === after.join("\n") &&
    after.every((file) => readFileSync(join(dist, file)).equals(readFileSync(join(next, file))))
  );
}

function filesIn(folder) {
  if (!existsSync(folder)) return [];
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .sort();
}

/** Two renames: no system that Node runs on replaces a folder in one. */
function takePlace() {
  if (existsSync(dist)) renameSync(dist, previous);
  renameSync(next, dist);
  rmSync(previous, { recursive: true, force: true });
}

/** Removes the folders of builds that were killed; one that was killed between its renames left dist/ under another name. */
function clearLeftovers() {
  for (const name of readdirSync(".")) {
    const [, kind, pid] = /^dist\.(next|previous)-(\d+)$/.exec(name) ?? [];
    if (pid === undefined || isAnother(Number(pid))) continue;
    if (kind === "previous" && !existsSync(dist)) renameSync(name, dist);
    else rmSync(name, { recursive: true, force: true, maxRetries: 3 }); // its compiler may still write
  }
}

/** Whether a process of this id runs that is not this one. */
function isAnother(pid) {
  if (pid === process.pid) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === "EPERM";
  }
}

// `npm run build [-- <tsc flag>...]`: compiles into a folder of its own beside dist/, which then takes dist/'s place.
//
// The package's doors and programs (`exports` and `bin` of package.json) are bundled by esbuild, with what they share in
// dist/chunks: a program that reads a dozen files starts in half the time of a program that reads hundreds. Packages of `bundled`
// become part of the bundle, with their licences in dist/THIRD-PARTY.txt; all other packages stay outside.
// dist/cjs has the doors once more as CommonJS, for loaders that cannot `require` a module, such as Jest's before Node 24.9. Node itself
// takes the modules for `require`, too (condition `module-sync`), so that a program has each class once.
// TypeScript's compiler checks the types and writes the declarations.
//
// A cluster that runs from dist/, and commands that start from it meanwhile, always find whole modules: dist/ is not touched
// while the compiler works, if it fails, if the build is interrupted, or if the result is what is there already.

import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const dist = "dist";
/** Folders of one build carry its process id, so that the next build recognizes the folders of an interrupted build. */
const next = `${dist}.next-${process.pid}`;
const previous = `${dist}.previous-${process.pid}`;
/** Packages that become part of the bundle: small, and without native parts. `@peculiar/x509` comes with the packages that it imports. */
const bundled = [
  ...["@bufbuild/protobuf", "bcryptjs", "commander", "jose"],
  ...["@peculiar", "asn1js", "pvtsutils", "pvutils", "reflect-metadata", "tslib", "tsyringe"],
];
/**
 * Packages outside the bundle that are CommonJS. For an `import`, Node searches all files of such a package for the names that it
 * exports; for `@grpc/grpc-js` the search takes longer than running the files. `require` does not search; the build looks the
 * names up.
 */
const required = ["@grpc/grpc-js", "level"];
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
  const pathInDist = (path) => path.replace(/^(\.\/)?dist\//, "");
  const doorFiles = Object.values(doors).flatMap((door) =>
    typeof door === "string" ? [] : pathInDist(door.import.default),
  );
  const workerFiles = [];
  try {
    const { metafile } = await build({
      entryPoints: [...doorFiles, ...Object.values(bin).map(pathInDist)].map((file) => file.replace(/\.js$/, ".ts")),
      outdir: next,
      outbase: ".",
      chunkNames: "chunks/[name]-[hash]",
      bundle: true,
      splitting: true,
      plugins: [workerPlugin(workerFiles), packagesPlugin()],
      metafile: true,
      format: "esm",
      platform: "node",
      target: "node20",
    });
    writeNotice([...new Set([...Object.keys(metafile.inputs), ...workerFiles])]);
    if (doorFiles.length > 0) await writeCommonJs(doorFiles, metafile.outputs);
    return 0;
  } catch (error) {
    if (error.errors === undefined) console.error(error); // with `errors`, esbuild has printed them
    return 1;
  }
}

/** Writes the doors, and the chunks that they load, as CommonJS; their types are the types of the modules. */
async function writeCommonJs(doorFiles, outputs) {
  await build({
    entryPoints: filesLoadedBy(
      doorFiles.map((file) => join(next, file)),
      outputs,
    ),
    outdir: join(next, "cjs"),
    outbase: next,
    format: "cjs",
    platform: "node",
    target: "node20",
    define: { "import.meta.url": "__filename" }, // for createRequire, which takes a file name, too
    supported: { "dynamic-import": false }, // becomes require(), as Jest has no import()
  });
  writeFileSync(join(next, "cjs/package.json"), '{ "type": "commonjs" }\n');
  for (const file of doorFiles) {
    const types = join(next, "cjs", file.replace(/\.js$/, ".d.ts"));
    const origin = relative(dirname(types), join(next, file)).replaceAll(sep, "/");
    // Under `module: node16` the compiler refuses to `require` a module, although these types mean the file beside them.
    writeFileSync(types, `// @ts-ignore TS1479\nexport * from ${JSON.stringify(origin)};\n`);
  }
}

/** Returns these files of the bundle, and all files that they import, directly or not. */
function filesLoadedBy(files, outputs) {
  const found = new Set(files);
  for (const file of found)
    for (const { path, external } of outputs[file].imports) if (external !== true) found.add(path);
  return [...found];
}

/** Tells esbuild which packages to bundle, and how to load the others. */
function packagesPlugin() {
  const setup = ({ onResolve, onLoad }) => {
    onResolve({ filter: /^[^./]/ }, ({ path, kind }) => {
      if (isBundled(path)) return undefined;
      if (kind === "require-call") return { path, namespace: "builtin" };
      // Unused parts of a package without side effects are left out of the bundle.
      return required.includes(path) ? { path, namespace: "required", sideEffects: false } : { path, external: true };
    });
    onLoad({ filter: /./, namespace: "required" }, ({ path }) => ({ contents: textOfRequiringModule(path) }));
    // Modules have no `require`; bundled CommonJS packages only `require` Node's own modules.
    onLoad({ filter: /./, namespace: "builtin" }, ({ path }) => ({
      contents: `module.exports = process.getBuiltinModule(${JSON.stringify(path)});`,
    }));
  };
  return { name: "packages", setup };
}

/**
 * Puts the code of the password worker into a data URL, from which the worker is started: the bundle has no file for it.
 *
 * @param files receives the names of the worker's sources
 */
function workerPlugin(files) {
  const setup = ({ onLoad }) =>
    onLoad({ filter: /[/\\]bcrypt-worker-url\.ts$/ }, async ({ path }) => {
      const { metafile, outputFiles } = await build({
        entryPoints: [join(dirname(path), "bcrypt-worker.js")],
        bundle: true,
        minify: true,
        write: false,
        metafile: true,
        format: "esm",
        platform: "node",
        target: "node20",
      });
      files.push(...Object.keys(metafile.inputs));
      const url = `data:text/javascript;base64,${Buffer.from(outputFiles[0].contents).toString("base64")}`;
      return { contents: `export const bcryptWorkerUrl = new URL(${JSON.stringify(url)});` };
    });
  return { name: "worker", setup };
}

function isBundled(path) {
  return bundled.some((name) => path === name || path.startsWith(`${name}/`));
}

/** Returns the text of a module that requires a package and exports its names. */
function textOfRequiringModule(name) {
  const exported = Object.keys(createRequire(import.meta.url)(name)).filter((key) => /^[A-Za-z_]\w*$/.test(key));
  return [
    'import { createRequire } from "node:module";',
    `export const { ${exported.join(", ")} } = createRequire(import.meta.url)(${JSON.stringify(name)});`,
  ].join("\n");
}

/** Writes the licences of the packages that these files belong to. */
function writeNotice(files) {
  const folderOf = (file) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(file)?.[0];
  const folders = [...new Set(files.flatMap((file) => folderOf(file) ?? []))].sort();
  if (folders.length === 0) return;
  const parts = folders.map((folder) => {
    const { name, version, license } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
    return [
      `== ${name} ${version}, ${license}`,
      ...licenceTexts(
        folder,
        files.filter((file) => folderOf(file) === folder),
      ),
    ].join("\n\n");
  });
  const head = "The JavaScript files in this folder contain code of these packages.";
  writeFileSync(join(next, "THIRD-PARTY.txt"), `${[head, ...parts].join("\n\n")}\n`);
}

/** Returns a package's licence, or the different comments at the heads of its files. */
function licenceTexts(folder, files) {
  const own = readdirSync(folder).filter((file) => /^(licen[cs]e|notice)/i.test(file));
  if (own.length > 0) return own.map((file) => readFileSync(join(folder, file), "utf8").trim());
  const heads = files.flatMap((file) => /^(?:\/\/.*\n)+/.exec(readFileSync(file, "utf8")) ?? []);
  if (heads.length === 0) throw new Error(`${folder} is bundled, but its licence is not found`);
  return [...new Set(heads)].map((head) => head.replaceAll(/^\/\/ ?/gm, "").trim());
}

/** Whether dist/ holds the compiled files, and nothing else. */
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

/** Replaces dist/ by two renames: no system that Node runs on replaces a folder by one. */
function takePlace() {
  if (existsSync(dist)) renameSync(dist, previous);
  renameSync(next, dist);
  rmSync(previous, { recursive: true, force: true });
  rmSync(".compile-cache", { recursive: true, force: true }); // see cli/compile-cache.ts; its entries are of replaced files
}

/** Removes the folders of builds and test runs that were killed; a build killed between its renames left dist/ under another name. */
function clearLeftovers() {
  for (const name of readdirSync(".")) {
    const [, kind, pid] = /^dist\.(next|previous|tests)-(\d+)$/.exec(name) ?? [];
    if (pid === undefined || isAnother(Number(pid))) continue;
    if (kind === "previous" && !existsSync(dist)) renameSync(name, dist);
    else rmSync(name, { recursive: true, force: true, maxRetries: 3 }); // the compiler of the killed build may still write
  }
}

/** Whether another process with this id runs. */
function isAnother(pid) {
  if (pid === process.pid) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === "EPERM";
  }
}

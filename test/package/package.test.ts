// The package as users install it: packed, and unpacked below a `node_modules` folder.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { publint } from "publint";
import { formatMessage } from "publint/utils";
import ts from "typescript";
import { scaleMs } from "../support/machine-speed.js";

const run = promisify(execFile);
const user = fileURLToPath(new URL("use-package.cjs", import.meta.url));

interface Manifest {
  readonly exports: Readonly<Record<string, unknown>>;
  readonly scripts: Readonly<Record<string, string>>;
}

/** Returns a program that imports every door, and uses types of three of them. */
const typedProgram = (doors: readonly string[]): string =>
  [
    ...doors.map((door, index) => `import * as door${index} from ${JSON.stringify(door)};`),
    `export const all = [${doors.map((_, index) => `door${index}`).join()}];`,
    'import { Client, type ClientOptions, type MemberConfig } from "minietcd";',
    'import { Client as Same, type GetResult } from "minietcd/client";',
    "const options: ClientOptions = { endpoints: [] };",
    "const client: Same = new Client(options);",
    'export const value: Promise<GetResult> = client.kv.get("a");',
    "// @ts-expect-error: types are not any",
    "export const config: MemberConfig = 1;",
  ].join("\n");

const resolutions: Readonly<Record<string, ts.CompilerOptions>> = {
  node16: { module: ts.ModuleKind.Node16 },
  nodenext: { module: ts.ModuleKind.NodeNext },
  bundler: { module: ts.ModuleKind.ESNext, moduleResolution: ts.ModuleResolutionKind.Bundler },
};

/** Returns a compiler host that reads the declarations of the language and of Node once for all programs. */
const cachingHost = (): ts.CompilerHost => {
  const host = ts.createCompilerHost({});
  const read = host.getSourceFile.bind(host);
  const files = new Map<string, ts.SourceFile | undefined>();
  host.getSourceFile = (name, options) => {
    const { impliedNodeFormat } = typeof options === "object" ? options : {};
    const key = `${name} ${impliedNodeFormat}`;
    if (!files.has(key)) files.set(key, read(name, options));
    return files.get(key);
  };
  return host;
};

const host = cachingHost();

/** Compiles programs. @returns the errors in them, and in the declarations below `folder` */
const errorsIn = (files: readonly string[], options: ts.CompilerOptions, folder: string): string[] => {
  const program = ts.createProgram(files, options, host);
  const all = [
    ...program.getOptionsDiagnostics(),
    ...program
      .getSourceFiles()
      .filter(({ fileName }) => fileName.includes(folder))
      .flatMap((file) => [...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)]),
  ];
  return all.map((each) => `${each.file?.fileName}: ${ts.flattenDiagnosticMessageText(each.messageText, "\n")}`);
};

describe("the packed package", () => {
  // The folder is inside the repository, so that the installed dependencies are found.
  const folder = mkdtempSync("dist.package-");
  const unpacked = join(folder, "node_modules", "minietcd");
  const program = join(folder, "use-package.cjs");
  let manifest: Manifest;

  before(async () => {
    const { stdout } = await run("npm", ["pack", "--silent", "--ignore-scripts", "--pack-destination", folder]);
    mkdirSync(unpacked, { recursive: true });
    await run("tar", ["-xzf", join(folder, stdout.trim()), "-C", unpacked, "--strip-components=1"]);
    manifest = JSON.parse(readFileSync(join(unpacked, "package.json"), "utf8")) as Manifest;
    writeFileSync(join(folder, "package.json"), "{}"); // otherwise its package is the repository
    copyFileSync(user, program);
  });

  after(() => rmSync(folder, { recursive: true, force: true }));

  test("runs nothing when it is installed", () => {
    const names = Object.keys(manifest.scripts);
    assert.deepEqual(
      names.filter((name) => /^((pre|post)?install|(pre|post)?prepare|dependencies)$/.test(name)),
      [],
    );
  });

  test("passes publint", async () => {
    const { messages } = await publint({ pkgDir: unpacked, strict: true });
    assert.deepEqual(
      messages.map((message) => formatMessage(message, manifest)),
      [],
    );
  });

  for (const keyword of ["import", "require"])
    test(`serves and uses a member by ${keyword}`, async () => {
      const { stdout, stderr } = await run(process.execPath, [program, keyword], { timeout: scaleMs(30_000) });
      assert.equal(stderr, "");
      assert.equal(stdout, `${process.version} ${keyword}: ok\n`);
    });

  test("serves and uses a member by require where modules cannot be required", async () => {
    const words = ["--no-experimental-require-module", program, "require"];
    const { stdout } = await run(process.execPath, words, { timeout: scaleMs(30_000) });
    assert.equal(stdout, `${process.version} require: ok\n`);
  });

  for (const [name, resolution] of Object.entries(resolutions))
    test(`has types for modules and CommonJS under ${name}`, () => {
      const doors = Object.keys(manifest.exports).filter((door) => door !== "./package.json");
      const text = typedProgram(doors.map((door) => door.replace(".", "minietcd")));
      const files = ["program.mts", "program.cts"].map((name) => join(folder, name));
      for (const file of files) writeFileSync(file, text);
      const options: ts.CompilerOptions = {
        ...resolution,
        ...{ noEmit: true, strict: true, target: ts.ScriptTarget.ES2022, types: ["node"] },
        lib: ["lib.es2023.d.ts", "lib.esnext.disposable.d.ts"],
      };
      assert.deepEqual(errorsIn(files, options, folder), []);
    });
});

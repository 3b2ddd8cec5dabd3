// Runs the commands that the documents show, and checks that the files that they name exist.

import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import { transform } from "esbuild";
import ts from "typescript";
import { endWithTests } from "../support/child-processes.js";
import { scaleMs } from "../support/machine-speed.js";
import { patientVariables } from "../support/patient-client.js";
import { freePorts } from "../support/free-ports.js";
import { MinietcdProcess } from "../support/minietcd-process.js";
import { tempFolder } from "../support/temp-folder.js";
import { fileRows } from "./architecture-tables.js";

const run = promisify(execFile);
const readme = readFileSync("README.md", "utf8");

/** The fenced blocks of a language. */
const blocksIn = (text: string, language: string): string[] =>
  [...text.matchAll(new RegExp("```" + language + "\n([\\s\\S]*?)```", "g"))].map((match) => match[1] ?? "");

test("README.md: one member by hand starts, and can be written to", async () => {
  const line = /^minietcd (--.*)$/m.exec(blocksIn(readme, "sh").join(""))?.[1];
  assert.ok(line !== undefined, "the command is there");
  const [clients = 0, peers = 0] = await freePorts(2);
  const urls = { client: `http://127.0.0.1:${clients}`, peer: `http://127.0.0.1:${peers}` };
  const elsewhere = [
    ...[`--listen-client-urls=${urls.client}`, `--advertise-client-urls=${urls.client}`],
    ...[`--listen-peer-urls=${urls.peer}`, `--initial-advertise-peer-urls=${urls.peer}`],
  ];
  await using folder = await tempFolder();
  const words = line.replaceAll("http://localhost:2380", urls.peer).split(" ");
  await using member = MinietcdProcess.start([...words, ...elsewhere], { cwd: folder.path });
  await member.waitFor("readiness", ({ stderr }) => stderr.includes("ready to serve") || undefined);
  const { stdout } = await run(process.execPath, ["dist/cli/minietcdctl.js", "put", "a", "1"], {
    env: { PATH: process.env["PATH"], ETCDCTL_ENDPOINTS: `127.0.0.1:${clients}` },
  });
  assert.equal(stdout, "OK\n");
});

/** Runs TypeScript that imports the package by name, with tsx. Returns its output. */
const runSource = (source: string): Promise<string> => runFile("block.test.ts", source, ["--import", "tsx"]);

/** Compiles the source first, then runs it like `runSource`. */
const runCompiled = async (source: string): Promise<string> =>
  runFile("block.test.mjs", (await transform(source, { loader: "ts", target: "node20" })).code);

const runFile = async (name: string, text: string, nodeOptions: readonly string[] = []): Promise<string> => {
  const folder = mkdtempSync("dist.readme-"); // a folder inside the package, so that the program can import it by name
  try {
    writeFileSync(join(folder, name), text);
    const args = [...nodeOptions, join(folder, name)];
    const env = { PATH: process.env["PATH"] };
    return (await run(process.execPath, args, { env, timeout: scaleMs(20_000) })).stdout;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};

test("README.md: the test with a server in its process passes", async () => {
  assert.match(await runSource(blocksIn(readme, "ts")[0] ?? ""), /# pass 1\n/);
});

test("docs/embedding.md: the program prints what its comment says", async () => {
  const [source = ""] = blocksIn(readFileSync("docs/embedding.md", "utf8"), "ts");
  await using folder = await tempFolder();
  const [clients = 0, peers = 0] = await freePorts(2);
  const moved = source
    .replace("127.0.0.1:2379", `127.0.0.1:${clients}`)
    .replace("127.0.0.1:2380", `127.0.0.1:${peers}`)
    .replace("data/m1", join(folder.path, "m1"));
  assert.equal(await runCompiled(moved), "hello\n");
});

const fromContainers = readFileSync("docs/coming-from-testcontainers.md", "utf8");

test("docs/coming-from-testcontainers.md: the program's assertion holds", async () => {
  await runCompiled(blocksIn(fromContainers, "ts")[0] ?? assert.fail("the program is there"));
});

test("docs/coming-from-testcontainers.md: the member as a process starts, in memory", async () => {
  const line = /^npx minietcd (.*)$/m.exec(blocksIn(fromContainers, "sh").join(""))?.[1];
  assert.ok(line !== undefined, "the command is there");
  const [client = 0, peer = 0] = await freePorts(2);
  const words = line
    .replaceAll("127.0.0.1:12379", `127.0.0.1:${client}`)
    .replace("127.0.0.1:12380", `127.0.0.1:${peer}`);
  await using folder = await tempFolder();
  await using member = MinietcdProcess.start(words.split(" "), { cwd: folder.path });
  await member.waitFor("readiness", ({ stderr }) => stderr.includes("ready to serve") || undefined);
  assert.deepEqual(readdirSync(folder.path), []);
});

/** Imports for code blocks that do not have their own. */
const kitImports =
  'import assert from "node:assert/strict";\nimport { startTestCluster, startTestServer } from "minietcd/testing";\n';

const kitBlocks = blocksIn(readFileSync("docs/testing.md", "utf8"), "ts").map((source, n) => ({
  source,
  number: n + 1,
}));
for (const { source, number } of kitBlocks)
  test(`docs/testing.md: block ${number} runs, and its assertions hold`, async () => {
    const isWhole = source.includes("import ");
    const output = await runCompiled(isWhole ? source : kitImports + source + 'console.log("# pass 1");\n');
    assert.match(output, /# pass \d+\n/);
    assert.doesNotMatch(output, /# fail [1-9]/);
  });

describe("the programs of documents and README.md's commands, with the cluster of its first command running", () => {
  const folder = mkdtempSync(join(tmpdir(), "minietcd-readme-"));
  // The folder is inside the package, so that programs can import it by name; other programs may run from dist/, so it is not there.
  const programFolder = mkdtempSync("dist.readme-");
  const program = join(programFolder, "program.mjs");
  let stopCluster: () => Promise<void> = () => Promise.resolve();
  /** Replaces the ports in a README block by free ones. */
  let withPorts: (text: string) => string = (text) => text;

  before(async () => {
    const ports = await freePorts(6);
    const clients = ports.slice(0, 3);
    const args = ["--data-dir", folder, "--client-ports", clients.join(), "--peer-ports", ports.slice(3).join()];
    const cluster = endWithTests(
      spawn(process.execPath, ["dist/cli/minietcd.js", "cluster", ...args], { stdio: ["ignore", "pipe", "inherit"] }),
    );
    const exited = once(cluster, "exit");
    stopCluster = async () => {
      cluster.kill("SIGINT");
      await exited;
    };
    await new Promise<void>((resolve, reject) => {
      createInterface(cluster.stdout).on("line", (line) => {
        if (line.startsWith("Ctrl-C stops")) resolve();
      });
      exited.then(() => reject(new Error("the cluster has ended")), reject);
    });
    withPorts = (text) =>
      text
        .replaceAll("127.0.0.1:2379", `127.0.0.1:${clients[0]}`)
        .replaceAll("127.0.0.1:22379", `127.0.0.1:${clients[1]}`)
        .replaceAll("127.0.0.1:32379", `127.0.0.1:${clients[2]}`);
  });

  after(async () => {
    await stopCluster();
    rmSync(folder, { recursive: true, force: true });
    rmSync(programFolder, { recursive: true, force: true });
  });

  const programs = ["README.md", "docs/client.md", "docs/coming-from-etcd3.md", "docs/entry-points.md"].flatMap(
    (document) =>
      blocksIn(readFileSync(document, "utf8"), "js").map((source, position) => ({ document, source, position })),
  );
  for (const { document, source, position } of programs)
    test(`program ${position + 1} of ${document} prints what its comments say`, async () => {
      writeFileSync(program, withPorts(source));
      const { stdout } = await run(process.execPath, [program], { timeout: scaleMs(20_000) });
      const promised = [...source.matchAll(/console\.log\(.*\); \/\/ (.*)/g)].map((match) => match[1]);
      assert.ok(promised.length > 0);
      assert.deepEqual(stdout.trim().split("\n"), promised);
    });

  test("the commands print the shown output", async () => {
    const [session = ""] = blocksIn(readme, "console");
    let environment: NodeJS.ProcessEnv = { PATH: process.env["PATH"], ...patientVariables() };
    for (const step of session.split(/^\$ /m).slice(1)) {
      const [command = "", ...output] = step.split("\n");
      const exported = /^export (\w+)=(.*)$/.exec(command);
      if (exported) {
        environment = { ...environment, [exported[1] ?? ""]: withPorts(exported[2] ?? "") };
        continue;
      }
      const [name, ...args] = command.split(" ");
      assert.equal(name, "minietcdctl");
      const { stdout } = await run(process.execPath, ["dist/cli/minietcdctl.js", ...args], { env: environment });
      assert.equal(stdout.trim(), output.join("\n").trim(), command);
    }
  });
});

const documents = [
  "README.md",
  "CHANGELOG.md",
  "examples/README.md",
  ...readdirSync("docs", { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".md"))
    .map((name) => join("docs", name)),
];
const textOf = (document: string): string => readFileSync(document, "utf8");

/** Returns the anchors of a document's headings. */
const anchors = (text: string): string[] =>
  [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading = ""]) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}_ -]/gu, "")
      .replaceAll(" ", "-"),
  );

test("every link of the documents has an existing target", () => {
  for (const document of documents)
    for (const [, target = "", anchor] of textOf(document).matchAll(/\]\(([^)#]*)(?:#([^)]*))?\)/g)) {
      if (/^https?:/.test(target)) continue;
      const path = target === "" ? document : join(document, "..", target);
      assert.ok(existsSync(path), `${document}: ${target}`);
      if (anchor !== undefined) assert.ok(anchors(textOf(path)).includes(anchor), `${document}: ${target}#${anchor}`);
    }
});

test("files and commands that the documents name exist", () => {
  const { scripts } = JSON.parse(textOf("package.json")) as { scripts: Record<string, string> };
  for (const document of documents) {
    const text = textOf(document);
    for (const [, path = ""] of text.matchAll(/`((?:\w[\w-]*\/)+[\w-]+(?:\.test)?\.(?:ts|txt|proto))`/g))
      assert.ok(existsSync(path), `${document}: ${path}`);
    for (const [, script = ""] of text.matchAll(/\bnpm run ([\w:]+)/g))
      assert.ok(Object.hasOwn(scripts, script), `${document}: npm run ${script}`);
  }
});

test("docs/raft-tests.md: every rule names scenarios, and every rule of figure 2 has a row", () => {
  const rows = [...textOf("docs/raft-tests.md").matchAll(/^\| (?!rule|---)([^|]*) \| ([^|]*) \|$/gm)];
  for (const [, rule = "", tests = ""] of rows)
    assert.match(tests, /^(`test\/[\w/-]+(\.test\.ts|\.txt)`(, |$))+$/, `the tests of "${rule}"`);
  const headings = ["AppendEntries, receiver", "RequestVote, receiver", "rules for servers"];
  const sections = headings.map(
    (heading) => textOf("docs/raft-tests.md").split(`: ${heading}\n`)[1]?.split("\n## ")[0] ?? "",
  );
  assert.deepEqual(
    sections.map((section) => [...section.matchAll(/^\| (?!rule|---)/gm)].length),
    [5, 2, 14],
  );
});

/** Returns the names of the functions, methods and classes that a source file defines, also as properties of objects. */
const definedNames = (file: string): ReadonlySet<string> => {
  const names = new Set<string>();
  const visit = (node: ts.Node): void => {
    const isDefinition =
      ts.isFunctionDeclaration(node) ||
      ts.isClassDeclaration(node) ||
      (ts.isMethodDeclaration(node) && node.body !== undefined) ||
      ((ts.isVariableDeclaration(node) || ts.isPropertyAssignment(node) || ts.isPropertyDeclaration(node)) &&
        node.initializer !== undefined &&
        ts.isFunctionLike(node.initializer));
    if (isDefinition && node.name !== undefined) names.add(node.name.getText());
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile(file, textOf(file), ts.ScriptTarget.Latest, true));
  return names;
};

test("each function in a table of architecture.md is defined in the file of its row, and the other files of the row exist", () => {
  const rows = fileRows();
  assert.ok(rows.length >= 60, "the tables are there");
  for (const { file, functions, furtherFiles } of rows) {
    const defined = definedNames(file);
    for (const name of functions) assert.ok(defined.has(name), `${file} defines ${name}`);
    for (const further of furtherFiles) assert.ok(existsSync(further), `${further}, in the row of ${file}, exists`);
  }
});

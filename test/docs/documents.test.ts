// What the documents say is run, or looked up.

import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";

const run = promisify(execFile);
const readme = readFileSync("README.md", "utf8");

/** The fenced blocks of a language. */
const blocks = (text: string, language: string): string[] =>
  [...text.matchAll(new RegExp("```" + language + "\n([\\s\\S]*?)```", "g"))].map((match) => match[1] ?? "");

const freePorts = async (count: number): Promise<number[]> => {
  const servers = Array.from({ length: count }, () => createServer().listen(0, "127.0.0.1"));
  await Promise.all(servers.map((server) => once(server, "listening")));
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
};

describe("README.md, with the cluster of its first command running", () => {
  const folder = mkdtempSync(join(tmpdir(), "minietcd-readme-"));
  const program = join("dist", "readme-program.mjs"); // inside the package, so that it can import it by name
  let stopCluster: () => Promise<void> = () => Promise.resolve();
  /** The README's ports, replaced by free ones. */
  let withPorts: (text: string) => string = (text) => text;

  before(async () => {
    const ports = await freePorts(6);
    const clients = ports.slice(0, 3);
    const args = ["--data-dir", folder, "--client-ports", clients.join(), "--peer-ports", ports.slice(3).join()];
    const cluster = spawn(process.execPath, ["dist/cli/minietcd.js", "cluster", ...args], {
      stdio: ["ignore", "pipe", "inherit"],
    });
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
    rmSync(program, { force: true });
  });

  for (const [position, source] of blocks(readme, "js").entries())
    test(`program ${position + 1} prints what its comments say`, async () => {
      writeFileSync(program, withPorts(source));
      const { stdout } = await run(process.execPath, [program], { timeout: 20_000 });
      const promised = [...source.matchAll(/console\.log\(.*\); \/\/ (.*)/g)].map((match) => match[1]);
      assert.ok(promised.length > 0);
      assert.deepEqual(stdout.trim().split("\n"), promised);
    });

  test("the commands print what is shown", async () => {
    const [session = ""] = blocks(readme, "console");
    let environment: NodeJS.ProcessEnv = { PATH: process.env["PATH"] };
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

test("every link of the documents leads somewhere", () => {
  const documents = ["README.md", "examples/README.md", ...readdirSync("docs").map((name) => join("docs", name))];
  for (const document of documents) {
    const text = readFileSync(document, "utf8");
    for (const [, target = ""] of text.matchAll(/\]\(([^)#]+)\)/g))
      if (!/^https?:/.test(target)) assert.ok(existsSync(join(document, "..", target)), `${document}: ${target}`);
  }
});

test("the ways of a put, a get and a watch lead through files and functions that exist", () => {
  const text = readFileSync("docs/architecture.md", "utf8");
  const rows = [...text.matchAll(/^\| `([\w/-]+\.ts)` \| (?:`(\w+)(?:\(\))?`)? ?\|/gm)];
  assert.ok(rows.length >= 12, "the tables are there");
  for (const [, file = "", name] of rows) {
    const source = readFileSync(file, "utf8");
    if (name !== undefined) assert.match(source, new RegExp(`\\b${name}\\b`), `${file} has ${name}`);
  }
});

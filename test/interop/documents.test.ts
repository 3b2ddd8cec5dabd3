// The programs in other languages in docs/coming-from-testcontainers.md, with a test server.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { startTestServer } from "../../testing/kit/index.js";
import { scaleMs } from "../support/machine-speed.js";
import { tempFolder } from "../support/temp-folder.js";

const run = promisify(execFile);
const text = readFileSync("docs/coming-from-testcontainers.md", "utf8");

const programIn = (language: string): string =>
  new RegExp("```" + language + "\n([\\s\\S]*?)```").exec(text)?.[1] ??
  assert.fail(`there is a program in ${language}`);

/** Runs a program with a test server. Returns its output. */
const outputOf = async (command: string, words: readonly string[], environment: NodeJS.ProcessEnv): Promise<string> => {
  await using server = await startTestServer();
  const env = { ...environment, ETCD_ENDPOINTS: server.endpoint };
  return (await run(command, words, { env, timeout: scaleMs(300_000) })).stdout;
};

test("the program in Python prints what it has put", async () => {
  assert.equal(await outputOf("/usr/bin/python3", ["-c", programIn("python")], {}), "hello\n");
});

test("the program in Go prints what it has put", async () => {
  await using folder = await tempFolder();
  // Debian's library is that of etcd 3.4, whose path differs.
  const source = programIn("go").replace("go.etcd.io/etcd/client/v3", "go.etcd.io/etcd/clientv3");
  await mkdir(join(folder.path, "src/greeting"), { recursive: true });
  await writeFile(join(folder.path, "src/greeting/main.go"), source);
  const { PATH, HOME } = process.env;
  const env = { PATH, HOME, GO111MODULE: "off", GOPATH: `${folder.path}:/usr/share/gocode`, CGO_ENABLED: "0" };
  assert.equal(await outputOf("/usr/bin/go", ["run", "greeting"], env), "hello\n");
});

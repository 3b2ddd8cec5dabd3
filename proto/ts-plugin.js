#!/usr/bin/env node
// The plugin that `buf generate` runs: ts-proto, but all messages share one empty byte array to begin with. With two of their
// own, which nearly every decoded key and value replaces at once, reading a watch's events takes more than twice as long.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { CodeGeneratorResponse } from "ts-proto-descriptors";

const { status, stdout } = spawnSync("protoc-gen-ts_proto", {
  input: readFileSync(0),
  stdio: ["pipe", "pipe", "inherit"],
  maxBuffer: Infinity,
});
if (status !== 0) process.exit(status ?? 1);

const response = CodeGeneratorResponse.decode(stdout);
for (const file of response.file) {
  const shared = file.content.replaceAll(/^function createBase.*?^}$/gms, (create) =>
    create.replaceAll("new Uint8Array(0)", "emptyBytes"),
  );
  if (shared !== file.content)
    file.content = shared.replace(
      "\nfunction createBase",
      "\nconst emptyBytes = new Uint8Array(0);\n\nfunction createBase",
    );
}
process.stdout.write(CodeGeneratorResponse.encode(response).finish());

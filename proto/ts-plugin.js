#!/usr/bin/env node
// The plugin that `buf generate` runs: ts-proto, but all messages share one empty byte array to begin with. With two of their
// own, which nearly every decoded key and value replaces at once, reading a watch's events takes more than twice as long.
// ts-proto decodes 100 messages within each other, which is 49 transactions; etcd takes 128. Here it is `maxDepth`.
// ts-proto takes field 0 and the end of a group for the end of a message, and reads fields beyond the end of theirs; as in Go's
// protobuf, bytes with any of these are no message here.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { CodeGeneratorResponse } from "ts-proto-descriptors";

const { status, stdout } = spawnSync("protoc-gen-ts_proto", {
  input: readFileSync(0),
  stdio: ["pipe", "pipe", "inherit"],
  maxBuffer: Infinity,
});
if (status !== 0) process.exit(status ?? 1);

/**
 * Messages within each other that are decoded; deeper ones are an error. 10 000, as in Go's protobuf, would overflow Node's default
 * stack, which holds about 11 000 calls of a decoder; half of it is left to the callers.
 */
const maxDepth = 2_500;
const depthOfTsProto = "previousRecursionDepth >= 100)";

/** Ends the decoding of a message: the tag is no field's. */
const strayTag = `if ((tag & 7) === 4 || tag === 0) {
          break;
        }`;
const refusedTag = `if (tag >>> 3 === 0 || (tag & 7) === 4) {
          throw new globalThis.Error("illegal tag");
        }`;
const endOfDecode = /^( *)return message;$/gm;
const checkedEnd =
  '$1if (reader.pos !== end) {\n$1  throw new globalThis.Error("field beyond the end of its message");\n$1}\n$&';

const response = CodeGeneratorResponse.decode(stdout);
for (const file of response.file) {
  file.content = file.content
    .replaceAll(depthOfTsProto, `previousRecursionDepth >= ${maxDepth})`)
    .replaceAll(strayTag, refusedTag)
    .replaceAll(/^  decode\(.*?^  },$/gms, (decode) => decode.replaceAll(endOfDecode, checkedEnd));
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

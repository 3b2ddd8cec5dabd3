#!/usr/bin/env node
// The plugin that `buf generate` runs: ts-proto with four changes. 1. All messages share one empty byte array as the initial
// value. With two new arrays for each message, which nearly every decoded key and value replaces at once, reading events of a
// watch takes more than twice as long. 2. ts-proto decodes at most 100 nested messages, which is 49 nested transactions; etcd
// accepts 128 transactions. The limit becomes `maxDepth`. 3. ts-proto treats field 0 and the end of a group as the end of a
// message, and reads fields beyond the end of their message. These become errors, as in Go's protobuf. 4. ts-proto replaces invalid
// UTF-8 in a string, so that a user would get another name than the client sent. This becomes an error, too.
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
 * Maximum depth of nested messages; deeper messages are an error. 10 000, as in Go's protobuf, would overflow Node's default
 * stack, which holds about 11 000 calls of a decoder; half of the stack is left to the callers.
 */
const maxDepth = 2_500;
const depthOfTsProto = "previousRecursionDepth >= 100)";

/** Generated code that ends the decoding of a message at an invalid tag. */
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
    .replaceAll("reader.string()", "reader.string(true)")
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

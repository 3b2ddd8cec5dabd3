import assert from "node:assert/strict";
import { test } from "node:test";
import { AuthUserAddRequest } from "../../../proto/index.js";
import { decodeWith, RpcError } from "../../../server/rpc/index.js";

const decode = (bytes: readonly number[], kind: "unary" | "stream"): AuthUserAddRequest =>
  decodeWith((request) => AuthUserAddRequest.decode(request), Uint8Array.from(bytes), kind);

test("a request with a string that is no UTF-8 is refused in the words of Go's protobuf, not decoded to another name", () => {
  const refusedWith = (details: string) => (error: unknown) =>
    error instanceof RpcError && error.status.code === 13 && error.status.details === details;
  assert.equal(decode([0x0a, 2, 0xc3, 0xa4], "unary").name, "ä");
  assert.throws(
    () => decode([0x0a, 2, 0xff, 0xfe], "unary"),
    refusedWith("grpc: error unmarshalling request: string field contains invalid UTF-8"),
  );
  assert.throws(
    () => decode([0x0a, 2, 0xff, 0xfe], "stream"),
    refusedWith("grpc: failed to unmarshal the received message: string field contains invalid UTF-8"),
  );
  assert.throws(
    () => decode([0x0a, 5, 0x61], "unary"),
    refusedWith("grpc: error unmarshalling request: proto: cannot parse invalid wire-format data"),
  );
});

import { errorCode } from "../../platform/index.js";
import { RpcError, statusCode } from "./status.js";

/** Decodes a request. @throws RpcError with the text of grpc-go if the bytes are no such message */
export const decodeWith = <Request>(
  decode: (bytes: Uint8Array) => Request,
  bytes: Uint8Array,
  kind: "unary" | "stream",
): Request => {
  try {
    return decode(bytes);
  } catch (error) {
    const what = kind === "unary" ? "error unmarshalling request" : "failed to unmarshal the received message";
    throw new RpcError({ code: statusCode.internal, details: `grpc: ${what}: ${reasonOf(error)}` });
  }
};

/** Returns the reason in the words of Go's protobuf: a string that is no UTF-8, or bytes that are no message. */
const reasonOf = (error: unknown): string =>
  errorCode(error) === "ERR_ENCODING_INVALID_ENCODED_DATA"
    ? "string field contains invalid UTF-8"
    : "proto: cannot parse invalid wire-format data";

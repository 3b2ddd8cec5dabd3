import { RpcError, statusCode } from "./status.js";

/** Decodes a request. @throws RpcError with the text of grpc-go if the bytes are no such message */
export const decodeWith = <Request>(
  decode: (bytes: Uint8Array) => Request,
  bytes: Uint8Array,
  kind: "unary" | "stream",
): Request => {
  try {
    return decode(bytes);
  } catch {
    const what = kind === "unary" ? "error unmarshalling request" : "failed to unmarshal the received message";
    const details = `grpc: ${what}: proto: cannot parse invalid wire-format data`;
    throw new RpcError({ code: statusCode.internal, details });
  }
};

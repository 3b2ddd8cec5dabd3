import type { IncomingHttpHeaders } from "node:http";
import { RpcError, statusCode } from "../rpc/index.js";

/**
 * Returns the value of gRPC metadata from the fields of an HTTP request: `Grpc-Metadata-Token` is `token`. `Authorization`
 * needs no prefix.
 */
export const metadataOf = (headers: IncomingHttpHeaders, key: string): string | undefined => {
  const value = headers[`grpc-metadata-${key}`] ?? (key === "authorization" ? headers.authorization : undefined);
  const text = Array.isArray(value) ? value[0] : value;
  // gRPC allows printable ASCII only.
  return text !== undefined && /^[ -~]*$/.test(text) ? text : undefined;
};

const unitMs: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1_000, m: 1, u: 1e-3, n: 1e-6 };

/** Reads `Grpc-Timeout`, for example `10S`. @returns milliseconds; Infinity: absent; @throws RpcError if it is malformed */
export const timeoutOf = ({ "grpc-timeout": value }: IncomingHttpHeaders): number => {
  if (value === undefined || value === "") return Infinity;
  const text = String(value);
  const [, count, unit = ""] = /^([+-]?\d{1,18})([HMSmun])$/.exec(text) ?? [];
  if (count === undefined)
    throw new RpcError({ code: statusCode.invalidArgument, details: `invalid grpc-timeout: ${text}` });
  const ms = Number(count) * (unitMs[unit] ?? 0);
  return ms === 0 ? Infinity : ms;
};

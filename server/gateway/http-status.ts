import type { GrpcStatus } from "../rpc/index.js";

/** The HTTP statuses of gRPC's codes, by code, as in etcd's gateway. */
const httpStatuses = [200, 499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401];

/** Returns the HTTP status of a gRPC status. */
export const httpStatusOf = ({ code }: GrpcStatus): number => httpStatuses[code] ?? 500;

/** Encodes a status as etcd's gateway does. */
export const statusJson = ({ code, details }: GrpcStatus): string =>
  code === 0 ? "{}" : JSON.stringify(details === "" ? { code } : { code, message: details });

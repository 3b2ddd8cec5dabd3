import {
  HealthCheckRequest,
  HealthCheckResponse,
  HealthListRequest,
  HealthListResponse,
  HealthCheckResponse_ServingStatus as ServingStatus,
} from "../../proto/index.js";
import type { Caller } from "../base/index.js";
import { type Method, plainly, RpcError, serverStream, statusCode, unary } from "../rpc/index.js";

/**
 * grpc.health.v1: the member as a whole (service "") is serving whenever it answers at all; it takes no calls
 * before it is ready, and ends its streams when it stops.
 *
 * @param check refuses callers by throwing, as the application does: etcd checks the metadata of these requests, too
 */
export const healthMethods = (check: (caller: Caller) => void): Method[] => [
  unary(
    "/grpc.health.v1.Health/Check",
    HealthCheckRequest,
    HealthCheckResponse,
    (call, { service }, handler) => {
      check(call);
      if (service !== "") throw new RpcError({ code: statusCode.notFound, details: "unknown service" });
      handler.onResult({ status: ServingStatus.SERVING });
    },
    plainly,
  ),
  unary(
    "/grpc.health.v1.Health/List",
    HealthListRequest,
    HealthListResponse,
    (call, _request, handler) => {
      check(call);
      handler.onResult({ statuses: { "": { status: ServingStatus.SERVING } } });
    },
    plainly,
  ),
  serverStream("/grpc.health.v1.Health/Watch", HealthCheckRequest, HealthCheckResponse, ({ service }, call, reply) => {
    check(call);
    // The stream stays open to tell of changes; a service that is not known might come to be (gRPC health protocol).
    reply.send({ status: service === "" ? ServingStatus.SERVING : ServingStatus.SERVICE_UNKNOWN });
  }),
];

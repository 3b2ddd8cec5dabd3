import {
  HealthCheckRequest,
  HealthCheckResponse,
  HealthListRequest,
  HealthListResponse,
  HealthCheckResponse_ServingStatus as ServingStatus,
} from "../../proto/index.js";
import type { Caller } from "../base/index.js";
import { type Method, sendPlain, RpcError, serverStream, statusCode, unary } from "../rpc/index.js";

/**
 * grpc.health.v1: the service "" is the member, which is SERVING whenever it answers: it accepts no calls before it is ready,
 * and ends its streams when it stops.
 *
 * @param check throws to refuse a caller: etcd checks the metadata of these requests, too
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
    sendPlain,
  ),
  unary(
    "/grpc.health.v1.Health/List",
    HealthListRequest,
    HealthListResponse,
    (call, _request, handler) => {
      check(call);
      handler.onResult({ statuses: { "": { status: ServingStatus.SERVING } } });
    },
    sendPlain,
  ),
  serverStream("/grpc.health.v1.Health/Watch", HealthCheckRequest, HealthCheckResponse, ({ service }, call, reply) => {
    check(call);
    // The stream stays open, so that it could send changes: an unknown service may be registered later (gRPC health protocol).
    reply.send({ status: service === "" ? ServingStatus.SERVING : ServingStatus.SERVICE_UNKNOWN });
  }),
];

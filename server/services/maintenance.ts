import {
  AlarmRequest,
  AlarmResponse,
  DefragmentRequest,
  DefragmentResponse,
  DowngradeRequest,
  DowngradeResponse,
  HashRequest,
  HashResponse,
  HashKVRequest,
  HashKVResponse,
  MoveLeaderRequest,
  MoveLeaderResponse,
  StatusRequest,
  StatusResponse,
} from "../../proto/index.js";
import type { Application } from "../app/index.js";
import { type Method, unary } from "../rpc/index.js";
import type { ResponseSender } from "./response-sender.js";

/** etcdserverpb.Maintenance, as far as it exists. */
export const maintenanceMethods = (application: Application, sender: ResponseSender): Method[] => [
  unary("/etcdserverpb.Maintenance/Alarm", AlarmRequest, AlarmResponse, (request, call, reply) =>
    application.alarm(call, request, sender.to(reply)),
  ),
  unary("/etcdserverpb.Maintenance/MoveLeader", MoveLeaderRequest, MoveLeaderResponse, (request, call, reply) =>
    application.moveLeader(call, request, {
      onResult: () => reply.send({ header: undefined }), // as in etcd
      onError: (error) => reply.fail(error),
    }),
  ),
  unary("/etcdserverpb.Maintenance/Hash", HashRequest, HashResponse, (request, call, reply) =>
    application.hash(call, request, sender.to(reply)),
  ),
  unary("/etcdserverpb.Maintenance/Defragment", DefragmentRequest, DefragmentResponse, (request, call, reply) =>
    application.defragment(call, request, {
      onResult: () => reply.send({ header: undefined }), // as in etcd
      onError: (error) => reply.fail(error),
    }),
  ),
  unary("/etcdserverpb.Maintenance/Downgrade", DowngradeRequest, DowngradeResponse, (request, call, reply) =>
    application.downgrade(call, request, sender.to(reply)),
  ),
  unary("/etcdserverpb.Maintenance/Status", StatusRequest, StatusResponse, (request, call, reply) =>
    application.status(call, request, sender.to(reply)),
  ),
  unary("/etcdserverpb.Maintenance/HashKV", HashKVRequest, HashKVResponse, (request, call, reply) =>
    application.hashKv(call, request, sender.to(reply)),
  ),
];

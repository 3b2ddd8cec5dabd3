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
import type { ResultHandler } from "../base/index.js";
import { type Method, type Reply, unary } from "../rpc/index.js";
import type { ResponseSender } from "./response-sender.js";

/** The implemented methods of etcdserverpb.Maintenance. */
export const maintenanceMethods = (application: Application, sender: ResponseSender): Method[] => [
  unary("/etcdserverpb.Maintenance/Alarm", AlarmRequest, AlarmResponse, application.alarm, sender.message),
  unary(
    "/etcdserverpb.Maintenance/MoveLeader",
    MoveLeaderRequest,
    MoveLeaderResponse,
    application.moveLeader,
    withoutHeader,
  ),
  unary("/etcdserverpb.Maintenance/Hash", HashRequest, HashResponse, application.hash, sender.message),
  unary(
    "/etcdserverpb.Maintenance/Defragment",
    DefragmentRequest,
    DefragmentResponse,
    application.defragment,
    withoutHeader,
  ),
  unary(
    "/etcdserverpb.Maintenance/Downgrade",
    DowngradeRequest,
    DowngradeResponse,
    application.downgrade,
    sender.message,
  ),
  unary("/etcdserverpb.Maintenance/Status", StatusRequest, StatusResponse, application.status, sender.message),
  unary("/etcdserverpb.Maintenance/HashKV", HashKVRequest, HashKVResponse, application.hashKv, sender.message),
];

/** Sends an empty answer without a header, as etcd does. */
const withoutHeader = (reply: Reply<{ header: undefined }>): ResultHandler<undefined> => ({
  onResult: () => reply.send({ header: undefined }),
  onError: (error) => reply.fail(error),
});

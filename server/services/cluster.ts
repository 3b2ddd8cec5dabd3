import { MemberListRequest, MemberListResponse } from "../../proto/index.js";
import type { Application } from "../app/index.js";
import { type Method, unary } from "../rpc/index.js";
import type { ResponseSender } from "./response-sender.js";

/** The implemented methods of etcdserverpb.Cluster: the list of members. */
export const clusterMethods = (application: Application, { headers }: ResponseSender): Method[] => [
  unary("/etcdserverpb.Cluster/MemberList", MemberListRequest, MemberListResponse, application.memberList, (reply) => ({
    onResult: (members) => reply.send({ header: headers.at(0), members: [...members] }),
    onError: (error) => reply.fail(error),
  })),
];

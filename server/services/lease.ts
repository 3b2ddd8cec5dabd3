import {
  LeaseGrantRequest,
  LeaseGrantResponse,
  LeaseKeepAliveRequest,
  LeaseKeepAliveResponse,
  LeaseLeasesRequest,
  LeaseLeasesResponse,
  LeaseRevokeRequest,
  LeaseRevokeResponse,
  LeaseStatus,
  LeaseTimeToLiveRequest,
  LeaseTimeToLiveResponse,
  type ResponseHeader,
} from "../../proto/index.js";
import type { Sliced } from "../../store/index.js";
import type { Application, LeaseListItem } from "../app/index.js";
import { bidi, encodeParts, type IsTired, leasesParts, type Method, unary } from "../rpc/index.js";
import { KeepAliveStream } from "./keep-alive-stream.js";
import type { ResponseSender } from "./response-sender.js";

/** etcdserverpb.Lease. */
export const leaseMethods = (application: Application, sender: ResponseSender): Method[] => [
  unary("/etcdserverpb.Lease/LeaseGrant", LeaseGrantRequest, LeaseGrantResponse, (request, call, reply) =>
    application.leaseGrant(call, request, sender.to(reply)),
  ),
  unary("/etcdserverpb.Lease/LeaseRevoke", LeaseRevokeRequest, LeaseRevokeResponse, (request, call, reply) =>
    application.leaseRevoke(call, request, sender.to(reply)),
  ),
  bidi("/etcdserverpb.Lease/LeaseKeepAlive", LeaseKeepAliveRequest, LeaseKeepAliveResponse, (call, stream) => {
    const session = application.leaseKeepAlive(call, { onError: stream.fail });
    return new KeepAliveStream(session, sender.headers, stream);
  }),
  unary(
    "/etcdserverpb.Lease/LeaseTimeToLive",
    LeaseTimeToLiveRequest,
    LeaseTimeToLiveResponse,
    (request, call, reply) =>
      application.leaseTimeToLive(call, request, {
        onResult: ({ response: { encodedKeys, ...fields }, revision }) => {
          const answer = { header: sender.headers.at(revision), ...fields, keys: [] };
          // Fields that follow each other are one message.
          reply.send(Buffer.concat([LeaseTimeToLiveResponse.encode(answer).finish(), encodedKeys]));
        },
        onError: reply.fail,
      }),
  ),
  unary("/etcdserverpb.Lease/LeaseLeases", LeaseLeasesRequest, LeaseLeasesResponse, (request, call, reply) =>
    application.leaseLeases(call, request, {
      onResult: ({ response, revision }) =>
        sender.sendSlices((isTired) => encodedList(response, sender.headers.at(revision), isTired), reply),
      onError: reply.fail,
    }),
  ),
];

/** The response to LeaseLeases, encoded in slices: there may be hundreds of thousands. */
function* encodedList(leases: readonly LeaseListItem[], header: ResponseHeader, isTired: IsTired): Sliced<Uint8Array> {
  const items: Uint8Array[] = [];
  for (const { id: ID } of leases) {
    items.push(LeaseStatus.encode({ ID }).finish());
    if (items.length % leasesPerLook === 0 && isTired(leasesPerLook)) yield;
  }
  return yield* encodeParts(leasesParts(header, items), isTired);
}

const leasesPerLook = 50;

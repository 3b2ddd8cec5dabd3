import {
  encodeLeaseResponse,
  LeaseGrantRequest,
  LeaseKeepAliveRequest,
  LeaseLeasesRequest,
  LeaseLeasesResponse,
  LeaseRevokeRequest,
  LeaseStatus,
  LeaseTimeToLiveRequest,
  LeaseTimeToLiveResponse,
} from "../../proto/index.js";
import type { Sliced, ShouldYield } from "../../store/index.js";
import type { Application, LeaseListItem } from "../app/index.js";
import { bidi, encodedAlready, encodeParts, leasesParts, type Method, unary } from "../rpc/index.js";
import { KeepAliveStream } from "./keep-alive-stream.js";
import type { ResponseSender } from "./response-sender.js";

/** etcdserverpb.Lease. */
export const leaseMethods = (application: Application, sender: ResponseSender): Method[] => [
  unary(
    "/etcdserverpb.Lease/LeaseGrant",
    LeaseGrantRequest,
    encodedAlready,
    application.leaseGrant,
    sender.sendEncoded(({ ID, TTL }, header) => encodeLeaseResponse(ID, TTL, header)),
  ),
  unary(
    "/etcdserverpb.Lease/LeaseRevoke",
    LeaseRevokeRequest,
    encodedAlready,
    application.leaseRevoke,
    sender.sendEncoded((_response, header) => header),
  ),
  bidi(
    "/etcdserverpb.Lease/LeaseKeepAlive",
    LeaseKeepAliveRequest,
    encodedAlready,
    (call, stream) => new KeepAliveStream(application, call, sender.headers, stream),
  ),
  unary(
    "/etcdserverpb.Lease/LeaseTimeToLive",
    LeaseTimeToLiveRequest,
    LeaseTimeToLiveResponse,
    application.leaseTimeToLive,
    (reply) => ({
      onResult: ({ response: { encodedKeys, ...fields }, revision }) => {
        const answer = { header: sender.headers.at(revision), ...fields, keys: [] };
        // Concatenated encodings of fields are one message (Protocol Buffers encoding).
        reply.send(Buffer.concat([LeaseTimeToLiveResponse.encode(answer).finish(), encodedKeys]));
      },
      onError: (error) => reply.fail(error),
    }),
  ),
  unary(
    "/etcdserverpb.Lease/LeaseLeases",
    LeaseLeasesRequest,
    LeaseLeasesResponse,
    application.leaseLeases,
    (reply) => ({
      onResult: ({ response, revision }) =>
        sender.sendSlices((shouldYield) => encodeList(response, sender.headers.encodeAt(revision), shouldYield), reply),
      onError: (error) => reply.fail(error),
    }),
  ),
];

/** Encodes the response to LeaseLeases in slices: there may be hundreds of thousands of leases. */
function* encodeList(
  leases: readonly LeaseListItem[],
  header: Uint8Array,
  shouldYield: ShouldYield,
): Sliced<Uint8Array> {
  const items: Uint8Array[] = [];
  for (const { id: ID } of leases) {
    items.push(LeaseStatus.encode({ ID }).finish());
    if (items.length % leasesPerLook === 0 && shouldYield(leasesPerLook)) yield;
  }
  return yield* encodeParts(leasesParts(header, items), shouldYield);
}

const leasesPerLook = 50;

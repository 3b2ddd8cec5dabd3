// Outcomes that requests about leases are known to have.
import type { LeaseKeepAliveResponse, LeaseTimeToLiveResponse } from "../../../proto/index.js";
import type { Fields, Request } from "./requests.js";

type LeaseRequest = Extract<Request, { method: `lease${string}` }>;

export function leaseOutcomes(request: LeaseRequest, answer: Fields): string[] {
  switch (request.method) {
    case "leaseGrant": {
      const { ID, TTL } = request.message;
      return [
        `leaseGrant: ${ID === 0n ? "any id" : "own id"}`,
        ...(answer["TTL"] === TTL ? [] : ["leaseGrant: TTL raised"]),
      ];
    }
    case "leaseRevoke":
      return ["leaseRevoke: done"];
    case "leaseTimeToLive": {
      const { TTL, keys } = answer as unknown as LeaseTimeToLiveResponse;
      if (TTL < 0n) return ["leaseTimeToLive: unknown"];
      return [`leaseTimeToLive: ${keys.length > 1 ? "several keys" : "known"}`];
    }
    case "leaseLeases":
      return [`leaseLeases: ${(answer["leases"] as readonly unknown[]).length > 1 ? "several" : "few"}`];
    case "leaseKeepAlive": {
      const responses = answer["responses"] as readonly LeaseKeepAliveResponse[];
      return responses.map(({ TTL }) => `leaseKeepAlive: ${TTL > 0n ? "known" : "unknown"}`);
    }
  }
}

/** Outcomes that every run must have. */
export const expectedLeaseOutcomes: readonly string[] = [
  ...["any id", "own id", "TTL raised"].map((outcome) => `leaseGrant: ${outcome}`),
  "leaseGrant: error 9 etcdserver: lease already exists",
  "leaseGrant: error 11 etcdserver: too large lease TTL",
  "leaseRevoke: done",
  "leaseRevoke: error 5 etcdserver: requested lease not found",
  ...["unknown", "known", "several keys"].map((outcome) => `leaseTimeToLive: ${outcome}`),
  ...["few", "several"].map((outcome) => `leaseLeases: ${outcome}`),
  ...["known", "unknown"].map((outcome) => `leaseKeepAlive: ${outcome}`),
  "put: error 5 etcdserver: requested lease not found",
  "txn: error 5 etcdserver: requested lease not found",
];

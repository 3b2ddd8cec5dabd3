import { isUtf8 } from "node:buffer";
import { anonymousCaller, type Caller, ServerError } from "../base/index.js";
import type { Application } from "./application.js";
import { LeaderRequired, type LeaderRequiredOptions } from "./leader-required.js";
import { type ClientRequests, RequestStats } from "./request-stats.js";
import { wrapOperations } from "./wrap-operations.js";

/**
 * Checks the metadata of every request, as etcd does: `client-api-version` must be valid, and a caller with `hasleader` needs a
 * known leader.
 */
export class Admission {
  private readonly leaderRequired: LeaderRequired;
  /** The newest valid `client-api-version`: nearly all requests have the same, and skip the check. */
  private validVersion: string | undefined = undefined;

  /** The counters of clients of `validVersion`. */
  private requests: ClientRequests;

  /** @param stats counts the requests of clients; requests of the same process have no metadata and are not counted */
  constructor(
    options: LeaderRequiredOptions,
    private readonly stats = new RequestStats(),
  ) {
    this.leaderRequired = new LeaderRequired(options);
    this.requests = stats.requestsOf(undefined);
  }

  /** @throws ServerError `invalid-client-version`, `no-leader` */
  check(caller: Caller, kind: keyof ClientRequests = "unary"): void {
    const version = caller.metadata("client-api-version");
    if (version !== this.validVersion) {
      if (version !== undefined && !isUtf8(Buffer.from(version, "latin1")))
        throw new ServerError("invalid-client-version", "client-api-version is not valid UTF-8");
      this.validVersion = version;
      this.requests = this.stats.requestsOf(version);
    }
    if (caller !== anonymousCaller) this.requests[kind]++;
    if (isLeaderRequired(caller) && !this.leaderRequired.hasLeader)
      throw new ServerError("no-leader", "the request requires a known leader");
  }

  /** Returns an application that checks each caller, and ends the sessions that require a leader while none is known. */
  wrap(inner: Application): Application {
    return {
      ...wrapOperations(inner, (operation) => (caller, request, handler) => {
        this.check(caller);
        operation(caller, request, handler);
      }),
      leaseKeepAlive: (caller, listener) => {
        this.check(caller, "stream");
        const session = inner.leaseKeepAlive(caller, listener);
        if (!isLeaderRequired(caller)) return session;
        this.leaderRequired.add(listener);
        return {
          renew: session.renew,
          close: () => {
            this.leaderRequired.remove(listener);
            session.close();
          },
        };
      },
      rangeStream: (caller, request, listener) => {
        this.check(caller);
        return inner.rangeStream(caller, request, listener);
      },
      watch: (caller, listener) => {
        this.check(caller, "stream");
        const session = inner.watch(caller, listener);
        if (!isLeaderRequired(caller)) return session;
        this.leaderRequired.add(listener);
        return {
          create: (request) => session.create(request),
          cancel: (watchId) => session.cancel(watchId),
          requestProgress: () => session.requestProgress(),
          resume: () => session.resume(),
          close: () => {
            this.leaderRequired.remove(listener);
            session.close();
          },
        };
      },
    };
  }
}

/** Whether the caller prefers an error to an answer from a member that knows no leader. */
const isLeaderRequired = (caller: Caller): boolean => caller.metadata("hasleader") === "true";

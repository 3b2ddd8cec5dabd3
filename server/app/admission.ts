import { isUtf8 } from "node:buffer";
import { anonymousCaller, type Caller, ServerError } from "../base/index.js";
import type { Application } from "./application.js";
import { LeaderRequired, type LeaderRequiredOptions } from "./leader-required.js";
import { type ClientRequests, RequestStats } from "./request-stats.js";
import { wrapOperations } from "./wrap-operations.js";

/**
 * etcd's conditions on the metadata of every request: a valid `client-api-version`, and a known leader if the caller says
 * `hasleader`.
 */
export class Admission {
  private readonly leaderRequired: LeaderRequired;
  /** The last `client-api-version` found valid: nearly all requests have the same. */
  private validVersion: string | undefined = undefined;

  /** Counts the requests of clients of that version. */
  private requests: ClientRequests;

  /** @param stats counts the requests of clients; those of this process, which have no metadata, are none */
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
    if (requiresLeader(caller) && !this.leaderRequired.hasLeader)
      throw new ServerError("no-leader", "the client asked for a leader to be known");
  }

  /** Makes an application that checks each caller, and ends the sessions that require a leader when there is none. */
  wrap(inner: Application): Application {
    return {
      ...wrapOperations(inner, (operation) => (caller, request, handler) => {
        this.check(caller);
        operation(caller, request, handler);
      }),
      leaseKeepAlive: (caller, listener) => {
        this.check(caller, "stream");
        const session = inner.leaseKeepAlive(caller, listener);
        if (!requiresLeader(caller)) return session;
        this.leaderRequired.add(listener);
        return {
          renew: (id, handler) => session.renew(id, handler),
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
        if (!requiresLeader(caller)) return session;
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

/** Whether the caller wants to be refused rather than served by a member that knows no leader. */
const requiresLeader = (caller: Caller): boolean => caller.metadata("hasleader") === "true";

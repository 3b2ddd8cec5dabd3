import { isUtf8 } from "node:buffer";
import { type Caller, ServerError } from "../base/index.js";
import type { Application } from "./application.js";
import { LeaderRequired, type LeaderRequiredOptions } from "./leader-required.js";
import { wrapOperations } from "./wrap-operations.js";

/**
 * etcd's conditions on the metadata of every request: a valid `client-api-version`, and a known leader if the caller says
 * `hasleader`.
 */
export class Admission {
  private readonly leaderRequired: LeaderRequired;
  /** The last `client-api-version` found valid: nearly all requests have the same. */
  private validVersion: string | undefined = undefined;

  constructor(options: LeaderRequiredOptions) {
    this.leaderRequired = new LeaderRequired(options);
  }

  /** @throws ServerError `invalid-client-version`, `no-leader` */
  check(caller: Caller): void {
    const version = caller.metadata("client-api-version");
    if (version !== this.validVersion) {
      if (version !== undefined && !isUtf8(Buffer.from(version, "latin1")))
        throw new ServerError("invalid-client-version", "client-api-version is not valid UTF-8");
      this.validVersion = version;
    }
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
        this.check(caller);
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
      watch: (caller, listener) => {
        this.check(caller);
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

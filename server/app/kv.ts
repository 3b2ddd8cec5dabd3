import type { Clock } from "../../platform/index.js";
import type { RangeRequest, RawRangeResponse, RawTxnResponse, RequestOp, TxnRequest } from "../../proto/index.js";
import type { Answer, KvStore } from "../../store/index.js";
import type { Caller, ResultHandler } from "../base/index.js";
import type { CommandResults } from "../replication/apply/index.js";
import type { LinearizableRead, Proposals, Reads, SpaceQuota } from "../replication/index.js";
import type { Application } from "./application.js";
import type { RequestStats } from "./request-stats.js";
import { putCost, txnCost } from "./write-cost.js";
import type { Rights } from "../auth/index.js";
import { type Access, clientUser } from "./access.js";
import { checkDeleteRange, checkPut, checkRange, checkTxn, isReadOnly } from "./request-checks.js";

export interface KvParts {
  readonly store: Pick<KvStore, "range" | "readTxn" | "firstAttachedKey">;
  readonly proposals: Pick<Proposals<CommandResults>, "propose">;
  readonly reads: Pick<Reads, "whenLinearizable">;
}

export interface KvSettings {
  /** Most compares of a transaction, and most operations of a branch. */
  readonly maxTxnOps: number;
  readonly access: Access;
  readonly clock: Pick<Clock, "now">;
  readonly stats: Pick<RequestStats, "reads" | "ranges">;
}

type KvOperations = Pick<Application, "range" | "put" | "deleteRange" | "txn" | "compact">;

/** The operations of etcd's KV: checks a request's shape, then proposes it or reads. */
export const kvOperations = (
  { store, proposals, reads }: KvParts,
  quota: Pick<SpaceQuota, "hasRoomFor" | "whenMeasured">,
  settings: KvSettings,
): KvOperations => {
  const { maxTxnOps, access } = settings;
  const range: Query<RangeRequest, Answer<RawRangeResponse>> = {
    kind: "Range",
    check: (rights, request) => rights.checkRead(request),
    run: (request) => store.range(request),
  };
  const readTxn: Query<TxnRequest, Answer<RawTxnResponse>> = {
    kind: "ReadonlyTxn",
    check: (rights, request) => rights.checkTxn(request, store),
    run: (request) => store.readTxn(request),
  };

  /** Reads at once, or when a quorum has confirmed that nothing newer can have been acknowledged. */
  const read = <Request, Result>(
    query: Query<Request, Result>,
    caller: Caller,
    request: Request,
    isSerializable: boolean,
    handler: ResultHandler<Result>,
  ): void => {
    const waiting = new WaitingQuery(query, caller, request, handler, settings);
    if (isSerializable) waiting.onReady();
    else reads.whenLinearizable(waiting);
  };

  const putOnceMeasured: KvOperations["put"] = (caller, request, handler) => {
    const propose = (): void => proposals.propose({ $case: "put", value: request }, handler, caller.user);
    quota.whenMeasured(putCost(request), propose, handler);
  };

  return {
    range: (caller, request, handler) => {
      checkRange(request);
      read(range, caller, request, request.serializable, handler);
    },
    put: (caller, request, handler) => {
      checkPut(request);
      if (!quota.hasRoomFor(putCost(request))) putOnceMeasured(caller, request, handler);
      else proposals.propose({ $case: "put", value: request }, handler, caller.user);
    },
    deleteRange: (caller, request, handler) => {
      checkDeleteRange(request);
      proposals.propose({ $case: "deleteRange", value: request }, handler, caller.user);
    },
    txn: (caller, request, handler) => {
      checkTxn(request, maxTxnOps);
      const operations = [...request.success, ...request.failure];
      // Only ranges: nothing to replicate. One that reads nothing linearizable needs no quorum either.
      if (isReadOnly(request)) read(readTxn, caller, request, operations.every(isSerializable), handler);
      else {
        const propose = (): void => proposals.propose({ $case: "txn", value: request }, handler, caller.user);
        const cost = txnCost(request);
        if (quota.hasRoomFor(cost)) propose();
        else quota.whenMeasured(cost, propose, handler);
      }
    },
    compact: (caller, request, handler) =>
      proposals.propose(
        { $case: "compact", value: request },
        {
          onResult: ({ compaction, revision }) => {
            const done = (): void => handler.onResult({ response: { header: undefined }, revision });
            if (request.physical) compaction.finished.then(done, (error: unknown) => handler.onError(error));
            else done();
          },
          onError: (error) => handler.onError(error),
        },
        clientUser(caller, access.auth),
      ),
  };
};

/** A kind of read. */
interface Query<Request, Result> {
  readonly kind: "Range" | "ReadonlyTxn";
  /** Checks the rights of the caller. */
  readonly check: (rights: Rights, request: Request) => void;
  /** Answers at once if it can be done soon, else later. May throw. */
  readonly run: (request: Request) => Result | Promise<Result>;
}

/** A query until it is answered; unless it is serializable, it waits for a quorum round first. */
class WaitingQuery<Request, Result> implements LinearizableRead {
  deadline = 0;
  private readonly beganAt: number;
  /** The time at which the store was asked; undefined: it was not. */
  private readAt: number | undefined;

  constructor(
    private readonly query: Query<Request, Result>,
    private readonly caller: Caller,
    private readonly request: Request,
    private readonly handler: ResultHandler<Result>,
    private readonly settings: KvSettings,
  ) {
    this.beganAt = settings.clock.now();
  }

  /** Reads, if the caller may: its rights are those at the state that is read. */
  onReady(): void {
    const { access } = this.settings;
    if (!access.isOn) return this.run();
    try {
      const check = (rights: Rights): void => this.query.check(rights, this.request);
      access.whenAllowed(this.caller, check, () => this.run(), this);
    } catch (error) {
      this.onError(error);
    }
  }

  private run(): void {
    this.readAt = this.settings.clock.now();
    let result: Result | Promise<Result>;
    try {
      result = this.query.run(this.request);
    } catch (error) {
      this.onError(error);
      return;
    }
    if (result instanceof Promise)
      result.then(
        (read) => this.onResult(read),
        (error: unknown) => this.onError(error),
      );
    else this.onResult(result);
  }

  onError(error: unknown): void {
    this.measure(false);
    this.handler.onError(error);
  }

  private onResult(result: Result): void {
    this.measure(true);
    this.handler.onResult(result);
  }

  private measure(hasSucceeded: boolean): void {
    const { clock, stats } = this.settings;
    const { kind } = this.query;
    const now = clock.now();
    stats.reads.observe(kind, hasSucceeded, (now - this.beganAt) / 1_000);
    if (kind === "Range" && this.readAt !== undefined)
      (hasSucceeded ? stats.ranges.success : stats.ranges.failure).observe((now - this.readAt) / 1_000);
  }
}

const isSerializable = ({ request }: RequestOp): boolean =>
  request?.$case === "requestRange" && request.value.serializable;

import type { Clock } from "../../platform/index.js";
import type {
  ProposalUser,
  RangeRequest,
  RawRangeResponse,
  RawTxnResponse,
  RequestOp,
  TxnRequest,
} from "../../proto/index.js";
import type { Answer, KvStore } from "../../store/index.js";
import type { Caller, ResultHandler } from "../base/index.js";
import type { CommandResults } from "../replication/apply/index.js";
import type { Command, CommandOf, LinearizableRead, Proposals, Reads, SpaceQuota } from "../replication/index.js";
import type { Application } from "./application.js";
import type { RequestStats } from "./request-stats.js";
import { putCost, txnCost } from "./write-cost.js";
import type { Rights } from "../auth/index.js";
import { type Access, clientUser } from "./access.js";
import { checkDeleteRange, checkPut, checkRange, checkTxn, isReadOnly } from "./request-checks.js";

/** The components that read keys and propose changes of them. */
export interface KvParts {
  readonly store: Pick<KvStore, "range" | "readTxn" | "firstAttachedKey">;
  readonly proposals: Pick<Proposals<CommandResults>, "propose">;
  readonly reads: Pick<Reads, "startRead">;
}

/** The settings of the operations of etcd's KV. */
export interface KvSettings {
  /** The maximum number of compares of a transaction, and of operations of a branch. */
  readonly maxTxnOps: number;
  readonly access: Access;
  readonly clock: Pick<Clock, "now">;
  readonly stats: Pick<RequestStats, "reads" | "ranges">;
}

type KvOperations = Pick<Application, "range" | "put" | "deleteRange" | "txn" | "compact">;

/** The commands that change keys. */
type KeyChange = "put" | "deleteRange" | "txn";

/** Checks and proposes a change of keys for a caller. */
type Change = <Kind extends KeyChange>(
  command: Command & CommandOf<Kind>,
  cost: number,
  caller: Caller,
  handler: ResultHandler<CommandResults[Kind]>,
) => void;

/** Proposes a change of keys for a user; undefined: authentication is off. */
type Propose = <Kind extends KeyChange>(
  command: Command & CommandOf<Kind>,
  cost: number,
  handler: ResultHandler<CommandResults[Kind]>,
  user: ProposalUser | undefined,
) => void;

/**
 * The operations of etcd's KV: check the shape of the request, the caller's user and the space quota, in this order, then
 * propose or read. Rights on keys are checked at the state that is read or changed.
 */
export const kvOperations = (
  { store, proposals, reads }: KvParts,
  quota: Pick<SpaceQuota, "hasRoomFor" | "passAfterMeasuring">,
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

  /** Reads at once, or, for a linearizable read, after a quorum has confirmed the leader. */
  const read = <Request, Result>(
    query: Query<Request, Result>,
    caller: Caller,
    request: Request,
    isSerializable: boolean,
    handler: ResultHandler<Result>,
  ): void => {
    const waiting = new WaitingQuery(query, caller, request, handler, settings);
    if (isSerializable) waiting.onReady();
    else reads.startRead(waiting);
  };

  // Functions that make closures are separate: V8 allocates memory for the captured parameters in each call of such a function.
  const proposeOnceMeasured: Propose = (command, cost, handler, user) =>
    quota.passAfterMeasuring(cost, () => proposals.propose(command, handler, user), handler);

  const proposeWithinQuota: Propose = (command, cost, handler, user) => {
    if (quota.hasRoomFor(cost)) proposals.propose(command, handler, user);
    else proposeOnceMeasured(command, cost, handler, user);
  };

  const changeAsUser: Change = (command, cost, caller, handler) =>
    access.runWithUser(caller, (user) => proposeWithinQuota(command, cost, handler, user), handler);

  /** Proposes a change of keys; the rights of its user are checked when the change is applied. */
  const change: Change = (command, cost, caller, handler) => {
    if (access.isOn) changeAsUser(command, cost, caller, handler);
    else proposeWithinQuota(command, cost, handler, undefined);
  };

  return {
    range: (caller, request, handler) => {
      checkRange(request);
      read(range, caller, request, request.serializable, handler);
    },
    put: (caller, request, handler) => {
      checkPut(request);
      change({ $case: "put", value: request }, putCost(request), caller, handler);
    },
    deleteRange: (caller, request, handler) => {
      checkDeleteRange(request);
      change({ $case: "deleteRange", value: request }, 0, caller, handler);
    },
    txn: (caller, request, handler) => {
      checkTxn(request, maxTxnOps);
      const operations = [...request.success, ...request.failure];
      // A transaction of ranges needs no log entry; if all ranges are serializable, it needs no quorum either.
      if (isReadOnly(request)) read(readTxn, caller, request, operations.every(isSerializable), handler);
      else change({ $case: "txn", value: request }, txnCost(request), caller, handler);
    },
    compact: (caller, request, handler) =>
      proposals.propose(
        { $case: "compact", value: request },
        {
          onResult: ({ compaction, revision }) => {
            const done = (): void => handler.onResult({ response: { header: undefined }, revision });
            if (request.physical) compaction.whenFinished.then(done, (error: unknown) => handler.onError(error));
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
  /** Answers at once if the answer is small, else later. May throw. */
  readonly run: (request: Request) => Result | Promise<Result>;
}

/** A query until its answer; unless it is serializable, it waits for a quorum round first. */
class WaitingQuery<Request, Result> implements LinearizableRead {
  dueSweep = 0;
  private readonly beganAt: number;
  /** The time at which the read of the store began; undefined: not yet. */
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

  /** Reads, if the caller has the rights at the state that is read. */
  onReady(): void {
    const { access } = this.settings;
    if (!access.isOn) return this.run();
    try {
      const check = (rights: Rights): void => this.query.check(rights, this.request);
      access.runIfAllowed(this.caller, check, () => this.run(), this);
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

import type { RangeRequest, RawRangeResponse, RawTxnResponse, RequestOp, TxnRequest } from "../../proto/index.js";
import type { Answer, KvStore } from "../../store/index.js";
import type { ResultHandler } from "../base/index.js";
import type { CommandResults } from "../replication/apply/index.js";
import type { LinearizableRead, Proposals, Reads } from "../replication/index.js";
import type { Application } from "./application.js";
import { checkDeleteRange, checkPut, checkRange, checkTxn } from "./request-checks.js";

export interface KvParts {
  readonly store: Pick<KvStore, "range" | "readTxn">;
  readonly proposals: Pick<Proposals<CommandResults>, "propose">;
  readonly reads: Pick<Reads, "whenLinearizable">;
}

type KvOperations = Pick<Application, "range" | "put" | "deleteRange" | "txn" | "compact">;

/** The operations of etcd's KV: checks a request's shape, then proposes it or reads. */
export const kvOperations = ({ store, proposals, reads }: KvParts, maxTxnOps: number): KvOperations => {
  const range: Query<RangeRequest, Answer<RawRangeResponse>> = (request) => store.range(request);
  const readTxn: Query<TxnRequest, Answer<RawTxnResponse>> = (request) => store.readTxn(request);

  /** Reads at once, or when a quorum has confirmed that nothing newer can have been acknowledged. */
  const read = <Request, Result>(
    query: Query<Request, Result>,
    request: Request,
    isSerializable: boolean,
    handler: ResultHandler<Result>,
  ): void => {
    if (isSerializable) answer(query, request, handler);
    else reads.whenLinearizable(new WaitingQuery(query, request, handler));
  };

  return {
    range: (_caller, request, handler) => {
      checkRange(request);
      read(range, request, request.serializable, handler);
    },
    put: (_caller, request, handler) => {
      checkPut(request);
      proposals.propose({ $case: "put", value: request }, handler);
    },
    deleteRange: (_caller, request, handler) => {
      checkDeleteRange(request);
      proposals.propose({ $case: "deleteRange", value: request }, handler);
    },
    txn: (_caller, request, handler) => {
      checkTxn(request, maxTxnOps);
      const operations = [...request.success, ...request.failure];
      // Only ranges: nothing to replicate. One that reads nothing linearizable needs no quorum either.
      if (operations.every(isRange)) read(readTxn, request, operations.every(isSerializable), handler);
      else proposals.propose({ $case: "txn", value: request }, handler);
    },
    compact: (_caller, request, handler) =>
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
      ),
  };
};

/** Answers at once if it can be done soon, else later. May throw. */
type Query<Request, Result> = (request: Request) => Result | Promise<Result>;

/** A query until a quorum round has confirmed it. */
class WaitingQuery<Request, Result> implements LinearizableRead {
  deadline = 0;

  constructor(
    private readonly query: Query<Request, Result>,
    private readonly request: Request,
    private readonly handler: ResultHandler<Result>,
  ) {}

  onReady(): void {
    answer(this.query, this.request, this.handler);
  }

  onError(error: unknown): void {
    this.handler.onError(error);
  }
}

const answer = <Request, Result>(
  query: Query<Request, Result>,
  request: Request,
  handler: ResultHandler<Result>,
): void => {
  let result: Result | Promise<Result>;
  try {
    result = query(request);
  } catch (error) {
    handler.onError(error);
    return;
  }
  if (result instanceof Promise)
    result.then(
      (read) => handler.onResult(read),
      (error: unknown) => handler.onError(error),
    );
  else handler.onResult(result);
};

const isRange = ({ request }: RequestOp): boolean => request?.$case === "requestRange";
const isSerializable = ({ request }: RequestOp): boolean =>
  request?.$case === "requestRange" && request.value.serializable;

import {
  CampaignRequest,
  CampaignResponse,
  LeaderRequest,
  LeaderResponse,
  LockRequest,
  LockResponse,
  ProclaimRequest,
  ProclaimResponse,
  ResignRequest,
  ResignResponse,
  UnlockRequest,
  UnlockResponse,
} from "../../proto/index.js";
import { type Answer, StoreError } from "../../store/index.js";
import type { Concurrency, ElectedLeader, LeaderReceiver, QueuedCall } from "../app/index.js";
import { type ResultHandler, ServerError } from "../base/index.js";
import {
  type Call,
  type Decoder,
  type Encoder,
  type Method,
  sendPlain,
  RpcError,
  serverStream,
  statusCode,
  statusOfError,
  type ServerResponseStream,
  unary,
} from "../rpc/index.js";
import type { ResponseHeaders } from "./response-header.js";

/** v3lockpb.Lock and v3electionpb.Election. @param waiting the calls that wait for a lock or for leadership */
export const concurrencyMethods = (
  { locks, elections }: Concurrency,
  headers: ResponseHeaders,
  waiting: WaitingCalls,
): Method[] => {
  const handlerMethod = <Request, Response extends object>(
    path: string,
    request: Decoder<Request>,
    response: Encoder<Response>,
    serve: (call: QueuedCall, request: Request) => Promise<Answer<Response>>,
  ): Method =>
    unary(
      path,
      request,
      response,
      (call, message, handler: ResultHandler<Response>) => {
        const { queued, end } = waiting.addCall(call);
        serve(queued, message)
          .finally(end)
          .then(
            (answer) => handler.onResult({ ...answer.response, header: headers.at(answer.revision) }),
            (error: unknown) => handler.onError(asUnknown(error)),
          );
      },
      sendPlain,
    );
  const withHeader = ({ kv, revision }: ElectedLeader): LeaderResponse => ({ header: headers.at(revision), kv });
  return [
    handlerMethod("/v3lockpb.Lock/Lock", LockRequest, LockResponse, (call, request) => locks.lock(call, request)),
    handlerMethod("/v3lockpb.Lock/Unlock", UnlockRequest, UnlockResponse, ({ caller }, request) =>
      locks.unlock(caller, request),
    ),
    handlerMethod("/v3electionpb.Election/Campaign", CampaignRequest, CampaignResponse, (call, request) =>
      elections.campaign(call, request),
    ),
    handlerMethod("/v3electionpb.Election/Proclaim", ProclaimRequest, ProclaimResponse, ({ caller }, request) =>
      elections.proclaim(caller, request),
    ),
    handlerMethod("/v3electionpb.Election/Leader", LeaderRequest, LeaderResponse, async ({ caller }, request) => {
      const { kv, revision } = await elections.leader(caller, request);
      return { response: { header: undefined, kv }, revision };
    }),
    handlerMethod("/v3electionpb.Election/Resign", ResignRequest, ResignResponse, ({ caller }, request) =>
      elections.resign(caller, request),
    ),
    serverStream("/v3electionpb.Election/Observe", LeaderRequest, LeaderResponse, (request, caller, reply) => {
      const ending = new AbortController();
      reply.setCloseListener(() => ending.abort(canceledError()));
      const observer = new Observer(reply, withHeader);
      const observation = elections.observe({ caller, signal: ending.signal }, request, observer);
      reply.setDrainListener(() => {
        observer.isFull = false;
        observation.resume();
      });
      observation.whenOver.catch((error: unknown) => reply.fail(asUnknown(error)));
    }),
  ];
};

/** Sends leaders on a stream. */
class Observer implements LeaderReceiver {
  isFull = false;

  constructor(
    private readonly reply: ServerResponseStream<LeaderResponse>,
    private readonly withHeader: (leader: ElectedLeader) => LeaderResponse,
  ) {}

  onLeader(leader: ElectedLeader): void {
    if (!this.reply.send(this.withHeader(leader))) this.isFull = true;
  }

  hasRoom(): boolean {
    return !this.isFull;
  }
}

/** The calls that wait for a lock or for leadership. Each ends when its client cancels, and all of them when the member stops. */
export class WaitingCalls {
  private readonly endings = new Set<AbortController>();
  private stopped: ServerError | undefined;

  /** Adds a call; the caller calls `end` when the wait is over. */
  addCall(call: Call): { readonly queued: QueuedCall; readonly end: () => void } {
    const ending = new AbortController();
    if (this.stopped !== undefined) ending.abort(this.stopped);
    this.endings.add(ending);
    call.addCancelListener(() => ending.abort(canceledError()));
    return { queued: { caller: call, signal: ending.signal }, end: () => void this.endings.delete(ending) };
  }

  /** Ends all calls, also those that begin later: each deletes its place in the queue before it is answered. */
  stop(): void {
    this.stopped = new ServerError("server-stopped", "the member is stopping");
    for (const ending of this.endings) ending.abort(this.stopped);
  }
}

const canceledError = (): RpcError => new RpcError({ code: statusCode.canceled, details: "context canceled" });

/**
 * Converts an error to code UNKNOWN with the same text: in etcd, the services of locks and elections are clients of the others,
 * and do not pass their codes on.
 */
const asUnknown = (error: unknown): unknown => {
  if (error instanceof ServerError && error.code === "server-stopped") return error;
  if (!(error instanceof ServerError || error instanceof StoreError)) return error;
  const { details } = statusOfError(error, () => undefined);
  return new RpcError({ code: statusCode.unknown, details });
};

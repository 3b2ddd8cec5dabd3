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
import { ServerError } from "../base/index.js";
import {
  type Call,
  type Decoder,
  type Encoder,
  type Method,
  RpcError,
  serverStream,
  statusCode,
  statusOfError,
  type StreamReply,
  unary,
} from "../rpc/index.js";
import type { ResponseHeaders } from "./response-header.js";

/** v3lockpb.Lock and v3electionpb.Election. */
export const concurrencyMethods = ({ locks, elections }: Concurrency, headers: ResponseHeaders): Method[] => {
  const answering = <Request, Response extends object>(
    path: string,
    request: Decoder<Request>,
    response: Encoder<Response>,
    serve: (call: QueuedCall, request: Request) => Promise<Answer<Response>>,
  ): Method =>
    unary(path, request, response, (message, call, reply) => {
      serve(queued(call), message).then(
        (answer) => reply.send({ ...answer.response, header: headers.at(answer.revision) }),
        (error: unknown) => reply.fail(asUnknown(error)),
      );
    });
  const withHeader = ({ kv, revision }: ElectedLeader): LeaderResponse => ({ header: headers.at(revision), kv });
  return [
    answering("/v3lockpb.Lock/Lock", LockRequest, LockResponse, (call, request) => locks.lock(call, request)),
    answering("/v3lockpb.Lock/Unlock", UnlockRequest, UnlockResponse, ({ caller }, request) =>
      locks.unlock(caller, request),
    ),
    answering("/v3electionpb.Election/Campaign", CampaignRequest, CampaignResponse, (call, request) =>
      elections.campaign(call, request),
    ),
    answering("/v3electionpb.Election/Proclaim", ProclaimRequest, ProclaimResponse, ({ caller }, request) =>
      elections.proclaim(caller, request),
    ),
    answering("/v3electionpb.Election/Leader", LeaderRequest, LeaderResponse, async ({ caller }, request) => {
      const { kv, revision } = await elections.leader(caller, request);
      return { response: { header: undefined, kv }, revision };
    }),
    answering("/v3electionpb.Election/Resign", ResignRequest, ResignResponse, ({ caller }, request) =>
      elections.resign(caller, request),
    ),
    serverStream("/v3electionpb.Election/Observe", LeaderRequest, LeaderResponse, (request, caller, reply) => {
      const ending = new AbortController();
      reply.onClosed(() => ending.abort());
      const observer = new Observer(reply, withHeader);
      const observation = elections.observe({ caller, signal: ending.signal }, request, observer);
      reply.onDrain(() => {
        observer.isFull = false;
        observation.resume();
      });
      observation.over.catch((error: unknown) => reply.fail(asUnknown(error)));
    }),
  ];
};

/** Sends leaders on a stream. */
class Observer implements LeaderReceiver {
  isFull = false;

  constructor(
    private readonly reply: StreamReply<LeaderResponse>,
    private readonly withHeader: (leader: ElectedLeader) => LeaderResponse,
  ) {}

  onLeader(leader: ElectedLeader): void {
    if (!this.reply.send(this.withHeader(leader))) this.isFull = true;
  }

  hasRoom(): boolean {
    return !this.isFull;
  }
}

/** Makes a call that knows when its client has gone. */
const queued = (call: Call): QueuedCall => {
  const ending = new AbortController();
  call.onCancelled(() => ending.abort());
  return { caller: call, signal: ending.signal };
};

/** Makes an error of code UNKNOWN with the same text: etcd's services of locks and elections are clients, and pass on no codes. */
const asUnknown = (error: unknown): unknown => {
  if (!(error instanceof ServerError || error instanceof StoreError)) return error;
  const { details } = statusOfError(error, () => undefined);
  return new RpcError({ code: statusCode.unknown, details });
};

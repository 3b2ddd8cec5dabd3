import {
  CompactionRequest,
  CompactionResponse,
  DeleteRangeRequest,
  PutRequest,
  RangeRequest,
  RawDeleteRangeResponse,
  RawPutResponse,
  RawRangeResponse,
  RawTxnResponse,
  TxnRequest,
  type RequestOp,
} from "../../proto/index.js";
import type { Answer, KvStore } from "../../store/index.js";
import { checkDeleteRange, checkPut, checkRange, checkTxn } from "../app/index.js";
import type { CommandResults } from "../replication/apply/index.js";
import type { Proposals, Reads } from "../replication/index.js";
import {
  areMany,
  deleteRangeParts,
  encodeParts,
  hasMany,
  type Method,
  type Part,
  rangeParts,
  type Reply,
  txnParts,
  unary,
  unaryRead,
} from "../rpc/index.js";
import type { ResponseHeaders } from "./response-header.js";

export interface KvServiceOptions {
  readonly store: KvStore;
  readonly proposals: Proposals<CommandResults>;
  readonly reads: Reads;
  readonly headers: ResponseHeaders;
  readonly maxTxnOps: number;
}

/** etcdserverpb.KV: checks a request's shape, then proposes it or reads. */
export const kvMethods = ({ store, proposals, reads, headers, maxTxnOps }: KvServiceOptions): Method[] => {
  const withHeader = <Response extends object>({ response, revision }: Answer<Response>) => ({
    ...response,
    header: headers.at(revision),
  });

  /** Runs `read` at once, or when a quorum has confirmed that nothing newer can have been acknowledged. */
  const read = <Response>(serializable: boolean, reply: Reply<Response>, run: () => void): void => {
    if (serializable) {
      run();
      return;
    }
    reads.whenLinearizable(() => {
      try {
        run();
      } catch (error) {
        reply.fail(error);
      }
    }, reply.fail);
  };

  /** Sends an answer of many keys once it is encoded, in slices. */
  const sendParts = (parts: readonly Part[], reply: Reply<never>): void => {
    store.inSlices((isTired) => encodeParts(parts, isTired)).then(reply.send, reply.fail);
  };

  const sendRange = (answer: Answer<RawRangeResponse>, reply: Reply<RawRangeResponse>): void => {
    const response = withHeader(answer);
    if (areMany(response.kvs)) sendParts(rangeParts(response), reply);
    else reply.send(response);
  };

  const sendTxn = (answer: Answer<RawTxnResponse>, reply: Reply<RawTxnResponse>): void => {
    const response = withHeader(answer);
    if (hasMany(response)) sendParts(txnParts(response), reply);
    else reply.send(response);
  };

  const sendDeleteRange = (answer: Answer<RawDeleteRangeResponse>, reply: Reply<RawDeleteRangeResponse>): void => {
    const response = withHeader(answer);
    if (areMany(response.prevKvs)) sendParts(deleteRangeParts(response), reply);
    else reply.send(response);
  };

  /** Sends what was read at once, or when it has been. */
  const sendRead = <Response>(
    answer: Answer<Response> | Promise<Answer<Response>>,
    reply: Reply<Response>,
    send: (answer: Answer<Response>, reply: Reply<Response>) => void,
  ): void => {
    if (answer instanceof Promise) answer.then((read) => send(read, reply)).catch(reply.fail);
    else send(answer, reply);
  };

  return [
    unaryRead("/etcdserverpb.KV/Range", RangeRequest, RawRangeResponse, (request, _call, reply) => {
      checkRange(request);
      read(request.serializable, reply, () => sendRead(store.range(request), reply, sendRange));
    }),
    unary("/etcdserverpb.KV/Put", PutRequest, RawPutResponse, (request, _call, reply) => {
      checkPut(request);
      proposals.propose(
        { $case: "put", value: request },
        { onResult: (answer) => reply.send(withHeader(answer)), onError: reply.fail },
      );
    }),
    unary("/etcdserverpb.KV/DeleteRange", DeleteRangeRequest, RawDeleteRangeResponse, (request, _call, reply) => {
      checkDeleteRange(request);
      proposals.propose(
        { $case: "deleteRange", value: request },
        { onResult: (answer) => sendDeleteRange(answer, reply), onError: reply.fail },
      );
    }),
    unary("/etcdserverpb.KV/Txn", TxnRequest, RawTxnResponse, (request, _call, reply) => {
      checkTxn(request, maxTxnOps);
      const operations = [...request.success, ...request.failure];
      if (operations.every(isRange)) {
        // Only ranges: nothing to replicate. One that reads nothing linearizable needs no quorum either.
        read(operations.every(isSerializable), reply, () => sendRead(store.readTxn(request), reply, sendTxn));
        return;
      }
      proposals.propose(
        { $case: "txn", value: request },
        { onResult: (answer) => sendTxn(answer, reply), onError: reply.fail },
      );
    }),
    unary("/etcdserverpb.KV/Compact", CompactionRequest, CompactionResponse, (request, _call, reply) => {
      const compacted = ({ compaction, revision }: CommandResults["compact"]): void => {
        const send = (): void => reply.send({ header: headers.at(revision) });
        if (request.physical) compaction.finished.then(send).catch(reply.fail);
        else send();
      };
      proposals.propose({ $case: "compact", value: request }, { onResult: compacted, onError: reply.fail });
    }),
  ];
};

const isRange = ({ request }: RequestOp): boolean => request?.$case === "requestRange";
const isSerializable = ({ request }: RequestOp): boolean =>
  request?.$case === "requestRange" && request.value.serializable;

// Keys and values: reading, writing, deleting, compacting.
import {
  deleteRangeRequestEncoder,
  KVDefinition,
  putRequestEncoder,
  type PutResponse,
  putResponseDecoder,
  rangeRequestEncoder,
  type RangeResponse,
  rangeResponseDecoder,
  txnRequestEncoder,
} from "../../proto/index.js";
import {
  asError,
  type Endpoints,
  EtcdError,
  type Header,
  headerOf,
  type RequestOptions,
  streamMethod,
  unaryMethod,
} from "../transport/index.js";
import type { KeySpace } from "./key-space.js";
import { toText, type Bytes } from "./keys.js";
import {
  deleteRequest,
  deleteResult,
  getResult,
  putRequest,
  putResult,
  rangeRequest,
  toSharedPut,
  type DeleteResult,
  type DeleteSettings,
  type GetResult,
  type GetSettings,
  type PutResult,
  type PutSettings,
} from "./kv-ops.js";
import { isReadOnly, txnRequest, txnResult, type Txn, type TxnResult } from "./txn.js";

/** The answer to a compaction. @see etcd v3 API, CompactionResponse */
export interface CompactResult {
  readonly header: Header;
}

const { methods } = KVDefinition;
const range = unaryMethod("read", KVDefinition, methods.range, {
  request: rangeRequestEncoder,
  response: rangeResponseDecoder,
});
const rangeStream = streamMethod(KVDefinition, methods.rangeStream);
const put = unaryMethod("write", KVDefinition, methods.put, {
  request: { encode: (request) => putRequestEncoder.encode(request), share: toSharedPut },
  response: putResponseDecoder,
});
const deleteRange = unaryMethod("write", KVDefinition, methods.deleteRange, { request: deleteRangeRequestEncoder });
const txn = unaryMethod("write", KVDefinition, methods.txn, { request: txnRequestEncoder });
const readOnlyTxn = unaryMethod("read", KVDefinition, methods.txn, { request: txnRequestEncoder });
const compact = unaryMethod("write", KVDefinition, methods.compact);

/**
 * Reads, writes, deletes and compacts keys. The most frequent requests, `get` and `put`, are not async functions, which would
 * allocate a generator, a promise and two closures per request.
 *
 * @see etcd v3 API, KV
 */
export class Kv {
  private readonly readGet = (response: RangeResponse): GetResult => getResult(response, this.keys);
  private readonly readPut = (response: PutResponse): PutResult => putResult(response, this.keys);

  constructor(
    private readonly endpoints: Endpoints,
    private readonly keys: KeySpace,
  ) {}

  /** Reads one key, or the keys of an interval. A missing key is not an error: `kvs` is empty. */
  get(key: Bytes, options: GetSettings & RequestOptions = {}): Promise<GetResult> {
    try {
      return this.endpoints.call(range, rangeRequest(key, options, this.keys), options, this.readGet);
    } catch (error) {
      return Promise.reject(asError(error)); // the arguments are wrong
    }
  }

  /**
   * Reads the keys of an interval by RangeStream, which servers before 3.7 do not have: the server sends the keys in chunks, all
   * of one revision, instead of one answer. The keys are in key order; the server refuses other orders.
   */
  async getStream(key: Bytes, options: GetSettings & RequestOptions = {}): Promise<GetResult> {
    const request = rangeRequest(key, options, this.keys);
    const answers = await this.endpoints.answers(rangeStream, request, options);
    const chunks = answers.flatMap(({ rangeResponse }) =>
      rangeResponse === undefined ? [] : [getResult(rangeResponse, this.keys)],
    );
    const last = chunks.at(-1);
    if (last === undefined) throw new EtcdError("internal", "RangeStream ended without an answer", "failed");
    return { ...last, kvs: chunks.flatMap(({ kvs }) => kvs) };
  }

  /**
   * Reads the value of one key as text.
   *
   * @returns undefined if there is no such key
   * @throws TypeError if the value is not UTF-8
   */
  async getText(key: Bytes, options: RequestOptions = {}): Promise<string | undefined> {
    const value = (await this.get(key, options)).kvs[0]?.value;
    return value && toText(value);
  }

  /** Writes one key, at a new revision. */
  put(key: Bytes, value: Bytes, options: PutSettings & RequestOptions = {}): Promise<PutResult> {
    try {
      return this.endpoints.call(put, putRequest(key, value, options, this.keys), options, this.readPut);
    } catch (error) {
      return Promise.reject(asError(error)); // the arguments are wrong
    }
  }

  /** Deletes one key, or the keys of an interval. */
  async delete(key: Bytes, options: DeleteSettings & RequestOptions = {}): Promise<DeleteResult> {
    const request = deleteRequest(key, options, this.keys);
    return deleteResult(await this.endpoints.call(deleteRange, request, options), this.keys);
  }

  /** Runs `success` if all comparisons hold, otherwise `failure`; everything at one revision. */
  async txn(steps: Txn, options: RequestOptions = {}): Promise<TxnResult> {
    const method = isReadOnly(steps) ? readOnlyTxn : txn;
    return txnResult(await this.endpoints.call(method, txnRequest(steps, this.keys), options), this.keys);
  }

  /**
   * Compacts the history before `revision`.
   *
   * @param options.physical wait until the history is removed from disk
   */
  async compact(
    revision: number,
    options: { readonly physical?: boolean | undefined } & RequestOptions = {},
  ): Promise<CompactResult> {
    const request = { revision: BigInt(revision), physical: options.physical ?? false };
    return { header: headerOf((await this.endpoints.call(compact, request, options)).header) };
  }
}

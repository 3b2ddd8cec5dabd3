// What commands print: one printer for each output format.
import type {
  DeleteResult,
  GetResult,
  HashKvResult,
  Header,
  KeyValue,
  MemberListResult,
  PutResult,
  StatusResult,
  TxnResult,
} from "../../client/index.js";
import { exitCodes, Failure } from "./failure.js";
import { formatBytes, formatDuration } from "./go-values.js";
import type { Io } from "./io.js";
import { withoutZeros, writeJson, type JsonValue } from "./json.js";

export interface Health {
  readonly endpoint: string;
  readonly healthy: boolean;
  readonly tookMs: number;
  /** Why it is not healthy. */
  readonly error?: string;
}
export type EndpointStatus = StatusResult & { readonly endpoint: string };
export type EndpointHash = HashKvResult & { readonly endpoint: string };

export interface Printer {
  get(result: GetResult, shape: { readonly valueOnly: boolean }): void;
  put(result: PutResult): void;
  delete(result: DeleteResult): void;
  txn(result: TxnResult): void;
  memberList(result: MemberListResult): void;
  endpointHealth(results: readonly Health[]): void;
  endpointStatus(results: readonly EndpointStatus[]): void;
  endpointHashKv(results: readonly EndpointHash[]): void;
}

/** Formats of etcdctl's that are yet to come. */
const notYet = ["fields", "table", "protobuf"];

/** @throws Failure if there is no such format */
export function printerOf(format: string, hex: boolean, io: Io): Printer {
  if (format === "simple") return new SimplePrinter(hex, io);
  if (format === "json") return new JsonPrinter(io);
  const reason = notYet.includes(format) ? `${format} not supported as output format` : "unsupported output format";
  throw new Failure(exitCodes.badFeature, reason);
}

export const hexId = (id: bigint): string => BigInt.asUintN(64, id).toString(16);

/** Lines for people and for shell scripts. */
export class SimplePrinter implements Printer {
  constructor(
    private readonly hex: boolean,
    private readonly io: Pick<Io, "print" | "note">,
  ) {}

  get(result: GetResult, { valueOnly }: { readonly valueOnly: boolean }): void {
    for (const kv of result.kvs) this.keyValue(kv, valueOnly);
  }

  put(result: PutResult): void {
    this.line("OK");
    if (result.prevKv !== undefined) this.keyValue(result.prevKv);
  }

  delete(result: DeleteResult): void {
    this.line(String(result.deleted));
    for (const kv of result.prevKvs) this.keyValue(kv);
  }

  txn(result: TxnResult): void {
    this.line(result.succeeded ? "SUCCESS" : "FAILURE");
    for (const response of result.responses) {
      this.line("");
      if (response.op === "get") this.get(response, { valueOnly: false });
      else this[response.op](response as never);
    }
  }

  memberList({ members }: MemberListResult): void {
    for (const { ID, name, peerURLs, clientURLs, isLearner } of members) {
      const state = name === "" ? "unstarted" : "started";
      this.line([hexId(ID), state, name, peerURLs.join(","), clientURLs.join(","), String(isLearner)].join(", "));
    }
  }

  /** On standard error, where etcdctl 3.4 has it. */
  endpointHealth(results: readonly Health[]): void {
    for (const { endpoint, healthy, tookMs, error = "" } of results)
      this.io.note(
        healthy
          ? `${endpoint} is healthy: successfully committed proposal: took = ${formatDuration(tookMs)}`
          : `${endpoint} is unhealthy: failed to commit proposal: ${error}`,
      );
  }

  endpointStatus(results: readonly EndpointStatus[]): void {
    for (const status of results) {
      const { endpoint, header, version, dbSize, leader, isLearner, raftTerm, raftIndex, raftAppliedIndex } = status;
      const columns = [endpoint, hexId(header.memberId), version, formatBytes(dbSize), leader === header.memberId];
      this.line([...columns, isLearner, raftTerm, raftIndex, raftAppliedIndex, status.errors.join(", ")].join(", "));
    }
  }

  endpointHashKv(results: readonly EndpointHash[]): void {
    for (const { endpoint, hash } of results) this.line(`${endpoint}, ${hash}`);
  }

  private keyValue({ key, value }: KeyValue, valueOnly = false): void {
    if (!valueOnly) this.line(key);
    this.line(value);
  }

  private line(content: string | Uint8Array): void {
    this.io.print(typeof content === "string" ? content : this.bytes(content));
    this.io.print("\n");
  }

  private bytes(bytes: Uint8Array): string | Uint8Array {
    return this.hex ? Array.from(bytes, (byte) => `\\x${byte.toString(16).padStart(2, "0")}`).join("") : bytes;
  }
}

/** etcdctl's JSON: the members and their order are those of Go's structs, etcd's own and etcdctl's. */
export class JsonPrinter implements Printer {
  constructor(private readonly io: Pick<Io, "print">) {}

  get(result: GetResult): void {
    this.write(getJson(result));
  }
  put(result: PutResult): void {
    this.write(putJson(result));
  }
  delete(result: DeleteResult): void {
    this.write(deleteJson(result));
  }
  txn(result: TxnResult): void {
    this.write(txnJson(result));
  }

  memberList({ header, members }: MemberListResult): void {
    const list = members.map(({ ID, name, peerURLs, clientURLs, isLearner }) =>
      withoutZeros({ ID, name, peerURLs, clientURLs, isLearner }),
    );
    this.write(withoutZeros({ header: headerJson(header), members: list }));
  }

  endpointHealth(results: readonly Health[]): void {
    this.write(
      results.map(({ endpoint, healthy, tookMs, error }) => {
        const health = { endpoint, health: healthy, took: formatDuration(tookMs) };
        return error === undefined ? health : { ...health, error };
      }),
    );
  }

  /** Without what etcdctl 3.4 does not know: storage version, quota, downgrades. */
  endpointStatus(results: readonly EndpointStatus[]): void {
    this.write(
      results.map((status) => {
        const { endpoint, header, version, dbSize, leader, raftIndex, raftTerm, raftAppliedIndex, errors } = status;
        const { dbSizeInUse, isLearner } = status;
        const raft = { leader, raftIndex, raftTerm, raftAppliedIndex };
        const rest = { errors, dbSizeInUse, isLearner };
        return {
          Endpoint: endpoint,
          Status: withoutZeros({ header: headerJson(header), version, dbSize, ...raft, ...rest }),
        };
      }),
    );
  }

  endpointHashKv(results: readonly EndpointHash[]): void {
    this.write(
      results.map(({ endpoint, header, hash, compactRevision }) => ({
        Endpoint: endpoint,
        HashKV: withoutZeros({ header: headerJson(header), hash, compact_revision: compactRevision }),
      })),
    );
  }

  private write(value: JsonValue): void {
    this.io.print(`${writeJson(value)}\n`);
  }
}

const headerJson = ({ clusterId, memberId, revision, raftTerm }: Header) =>
  withoutZeros({ cluster_id: clusterId, member_id: memberId, revision, raft_term: raftTerm });

const keyValueJson = ({ key, createRevision, modRevision, version, value, lease }: KeyValue) =>
  withoutZeros({ key, create_revision: createRevision, mod_revision: modRevision, version, value, lease });

const getJson = ({ header, kvs, more, count }: GetResult) =>
  withoutZeros({ header: headerJson(header), kvs: kvs.map(keyValueJson), more, count });

const putJson = ({ header, prevKv }: PutResult) =>
  withoutZeros({ header: headerJson(header), prev_kv: prevKv && keyValueJson(prevKv) });

const deleteJson = ({ header, deleted, prevKvs }: DeleteResult) =>
  withoutZeros({ header: headerJson(header), deleted, prev_kvs: prevKvs.map(keyValueJson) });

const txnJson = ({ header, succeeded, responses }: TxnResult): JsonValue =>
  withoutZeros({
    header: headerJson(header),
    succeeded,
    responses: responses.map((response) => ({ Response: opJson(response) })),
  });

function opJson(response: TxnResult["responses"][number]): JsonValue {
  switch (response.op) {
    case "get":
      return { ResponseRange: getJson(response) };
    case "put":
      return { ResponsePut: putJson(response) };
    case "delete":
      return { ResponseDeleteRange: deleteJson(response) };
    case "txn":
      return { ResponseTxn: txnJson(response) };
  }
}

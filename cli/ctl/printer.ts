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

/** Keys and values are bytes, and need not be text. */
type Line = string | Uint8Array;

/** Lines for people and for shell scripts. */
export class SimplePrinter implements Printer {
  constructor(
    private readonly hex: boolean,
    private readonly io: Pick<Io, "print" | "note">,
  ) {}

  get(result: GetResult, { valueOnly }: { readonly valueOnly: boolean }): void {
    this.print(valueOnly ? result.kvs.map(({ value }) => value) : getLines(result));
  }
  put(result: PutResult): void {
    this.print(putLines(result));
  }
  delete(result: DeleteResult): void {
    this.print(deleteLines(result));
  }
  txn(result: TxnResult): void {
    this.print(txnLines(result));
  }

  memberList({ members }: MemberListResult): void {
    const lines = members.map(({ ID, name, peerURLs, clientURLs, isLearner }) => {
      const state = name === "" ? "unstarted" : "started";
      return [hexId(ID), state, name, peerURLs.join(","), clientURLs.join(","), isLearner].join(", ");
    });
    this.print(lines);
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
    const lines = results.map((status) => {
      const { endpoint, header, version, dbSize, leader, isLearner, raftTerm, raftIndex, raftAppliedIndex } = status;
      const columns = [endpoint, hexId(header.memberId), version, formatBytes(dbSize), leader === header.memberId];
      return [...columns, isLearner, raftTerm, raftIndex, raftAppliedIndex, status.errors.join(", ")].join(", ");
    });
    this.print(lines);
  }

  endpointHashKv(results: readonly EndpointHash[]): void {
    this.print(results.map(({ endpoint, hash }) => `${endpoint}, ${hash}`));
  }

  /** In one piece: there may be very many lines. */
  private print(lines: readonly Line[]): void {
    const shown = lines.map((line) => (typeof line === "string" || !this.hex ? line : hexBytes(line)));
    this.io.print(Buffer.concat(shown.flatMap((line) => [Buffer.from(line as Uint8Array), lineEnd])));
  }
}

const lineEnd = Buffer.from("\n");

const hexBytes = (bytes: Uint8Array): string =>
  Array.from(bytes, (byte) => `\\x${byte.toString(16).padStart(2, "0")}`).join("");

const keyValueLines = ({ key, value }: KeyValue): Line[] => [key, value];

const getLines = ({ kvs }: GetResult): Line[] => kvs.flatMap(keyValueLines);

const putLines = ({ prevKv }: PutResult): Line[] => ["OK", ...(prevKv === undefined ? [] : keyValueLines(prevKv))];

const deleteLines = ({ deleted, prevKvs }: DeleteResult): Line[] => [
  String(deleted),
  ...prevKvs.flatMap(keyValueLines),
];

const txnLines = ({ succeeded, responses }: TxnResult): Line[] => [
  succeeded ? "SUCCESS" : "FAILURE",
  ...responses.flatMap((response) => ["", ...opLines(response)]),
];

function opLines(response: TxnResult["responses"][number]): Line[] {
  switch (response.op) {
    case "get":
      return getLines(response);
    case "put":
      return putLines(response);
    case "delete":
      return deleteLines(response);
    case "txn":
      return txnLines(response);
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

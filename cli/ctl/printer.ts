// What commands print: one printer for each output format.
import type {
  DeleteResult,
  GetResult,
  HashKvResult,
  Header,
  LeaseGrantResult,
  LeaseRenewResult,
  LeaseTimeToLiveResult,
  MemberListResult,
  PutResult,
  StatusResult,
  TxnResult,
} from "../../client/index.js";
import { exitCodes, Failure } from "./failure.js";
import type { Io } from "./io.js";
import { JsonPrinter } from "./json-printer.js";
import { SimplePrinter } from "./simple-printer.js";
import type { WatchAnswer } from "./watch-call.js";

export interface Health {
  readonly endpoint: string;
  readonly healthy: boolean;
  readonly tookMs: number;
  /** Why it is not healthy. */
  readonly error?: string;
}
export type EndpointStatus = StatusResult & { readonly endpoint: string };
export type EndpointHash = HashKvResult & { readonly endpoint: string };
export interface LeaseRevoked {
  readonly id: bigint;
  readonly header: Header;
}
export type LeaseRenewed = LeaseRenewResult & { readonly id: bigint };
export type LeaseState = LeaseTimeToLiveResult & { readonly id: bigint };
export interface LeaseList {
  readonly header: Header;
  readonly ids: readonly bigint[];
}

export interface Printer {
  get(result: GetResult, shape: { readonly valueOnly: boolean }): void;
  put(result: PutResult): void;
  delete(result: DeleteResult): void;
  txn(result: TxnResult): void;
  watch(answer: WatchAnswer): void;
  leaseGrant(result: LeaseGrantResult): void;
  leaseRevoke(result: LeaseRevoked): void;
  leaseKeepAlive(result: LeaseRenewed): void;
  /** It cannot be renewed any more. */
  leaseGone(id: bigint): void;
  leaseTimeToLive(state: LeaseState, asked: { readonly keys: boolean }): void;
  leaseList(result: LeaseList): void;
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

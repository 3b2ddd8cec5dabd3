// Histories that are linearizable by construction: each operation takes effect between its call and its answer.

import {
  Compare,
  Compare_CompareResult as Result,
  Compare_CompareTarget as Target,
  DeleteRangeRequest,
  PutRequest,
  RangeRequest,
  type RequestOp,
  type ResponseHeader,
  TxnRequest,
} from "../../../../proto/index.js";
import { CopyingStore, seededRandom, type SeededRandom } from "../../../../testing/index.js";
import type { History, Operation } from "../../../../testing/kit/index.js";

const bytes = (text: string): Uint8Array => Buffer.from(text);

/** An operation, and the time at which it takes effect. */
interface Planned {
  readonly operation: Operation;
  readonly at: number;
  /** Undefined: the client gets the answer. */
  readonly fate: "happens" | "never-happens" | undefined;
}

const randomRequest = (random: SeededRandom, keys: number, value: string): Pick<Operation, "kind" | "request"> => {
  const key = bytes(`k${random.between(0, keys - 1)}`);
  const put = PutRequest.create({ key, value: bytes(value), prevKv: random.chance(0.3) });
  switch (random.pick(["put", "put", "get", "get", "list", "delete", "txn"])) {
    case "put":
      return { kind: "put", request: put };
    case "get":
      return { kind: "get", request: RangeRequest.create({ key }) };
    case "list":
      return { kind: "get", request: RangeRequest.create({ key: bytes("k"), rangeEnd: bytes("l"), limit: 2n }) };
    case "delete":
      return { kind: "delete", request: DeleteRangeRequest.create({ key }) };
    default: {
      const compare = Compare.create({
        key,
        result: Result.GREATER,
        target: Target.VERSION,
        targetUnion: { $case: "version", value: BigInt(random.between(0, 2)) },
      });
      const success: RequestOp[] = [{ request: { $case: "requestPut", value: put } }];
      const failure: RequestOp[] = [{ request: { $case: "requestRange", value: RangeRequest.create({ key }) } }];
      return { kind: "txn", request: TxnRequest.create({ compare: [compare], success, failure }) };
    }
  }
};

const plan = (random: SeededRandom, keys: number, number: number): Planned => {
  const invoked = random.next() * 1_000;
  const at = invoked + random.next() * 20;
  const returned = at + random.next() * 20;
  const { kind, request } = randomRequest(random, keys, `v${number}`);
  const fate = kind !== "get" && random.chance(0.1) ? random.pick(["happens", "never-happens"] as const) : undefined;
  const outcome = fate === undefined ? "ok" : "unknown";
  const operation = {
    kind,
    request,
    client: `c${number}`,
    invoked,
    returned,
    outcome,
    response: undefined,
  } as Operation;
  return { operation, at: fate === "happens" && random.chance(0.3) ? at + random.next() * 200 : at, fate };
};

const run = (store: CopyingStore, operation: Operation): Operation => {
  const header = (): ResponseHeader => ({
    clusterId: 1n,
    memberId: 1n,
    raftTerm: 1n,
    revision: BigInt(store.revision),
  });
  switch (operation.kind) {
    case "put":
      return { ...operation, response: { ...store.put(operation.request), header: header() } };
    case "delete":
      return { ...operation, response: { ...store.deleteRange(operation.request), header: header() } };
    case "txn":
      return { ...operation, response: { ...store.txn(operation.request), header: header() } };
    case "get":
      return { ...operation, response: { ...store.range(operation.request), header: header() } };
  }
};

/** Makes a linearizable history. */
export const randomHistory = (seed: number, { operations = 200, keys = 4 } = {}): History => {
  const random = seededRandom(seed);
  const store = new CopyingStore();
  const all = Array.from({ length: operations }, (_, number) => plan(random, keys, number));
  const happened = all
    .sort((a, b) => a.at - b.at)
    .map(({ operation, fate }): Operation => {
      if (fate === "never-happens") return operation;
      const ended = run(store, operation);
      return fate === undefined ? ended : operation;
    });
  return { startRevision: 1, startKeys: [], operations: happened.sort((a, b) => a.invoked - b.invoked) };
};

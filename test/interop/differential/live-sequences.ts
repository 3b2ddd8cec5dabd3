// Generated sequences with leases and watches: writes, with and without leases, and watchers of them.
import fc from "fast-check";
import { type RequestOp, TxnRequest, type WatchRequest } from "../../../proto/index.js";
import { choose, list } from "./chance.js";
import { everything, knownKey } from "./keys.js";
import { briefGrant, grant, keepAlive, leasedPut, listLeases, lookAtLeases, revoke, timeToLive } from "./leases.js";
import { boundedDelete, deleteRange, range, sort } from "./operations.js";
import type { Request } from "./requests.js";
import { lateOf, aroundCompaction, compactable, type Late, type Revisions } from "./revisions.js";
import type { Watching } from "./watching.js";
import { createRequest, watchRequest } from "./watch-requests.js";

/** A step, which is completed with the stores' revisions when it is played. */
export type LiveStep =
  | { readonly kind: "ask"; readonly request: Late<Request> }
  | { readonly kind: "tell"; readonly stream: number; readonly request: Late<WatchRequest> }
  | { readonly kind: "restart"; readonly stream: number; readonly meanwhile: readonly Late<Request>[] };

export function perform(step: LiveStep, on: Watching, at: () => Revisions): Promise<void> {
  switch (step.kind) {
    case "ask":
      return on.ask(step.request(at()));
    case "tell":
      return on.tell(step.stream, step.request(at()));
    case "restart":
      return on.restart(
        step.stream,
        step.meanwhile.map((request) => () => request(at())),
      );
  }
}

const stream = fc.constantFrom(0, 1, 2);
const putOp = leasedPut.map<RequestOp>((value) => ({ request: { $case: "requestPut", value } }));
/** Deletions with a range end: those without one do not appear together with puts, as in `txns.ts`. */
const deleteOp = boundedDelete.map<RequestOp>((value) => ({ request: { $case: "requestDeleteRange", value } }));
const txn = fc
  .uniqueArray(choose([5, putOp], [1, deleteOp]), {
    minLength: 1,
    maxLength: 5,
    size: "max",
    selector: ({ request }) =>
      request?.$case === "requestPut" || request?.$case === "requestDeleteRange"
        ? Buffer.from(request.value.key).toString("hex")
        : "",
  })
  .map((success) => lateOf<Request>({ method: "txn", message: TxnRequest.create({ success }) }));
const compareLease = fc
  .record({
    key: knownKey,
    lease: fc.constantFrom(0n, 1n, 2n),
    result: fc.constantFrom(0 as const, 3 as const),
    put: putOp,
  })
  .map(({ key, lease, result, put }) => {
    const compare = {
      key,
      rangeEnd: new Uint8Array(0),
      result,
      target: 4 as const,
      targetUnion: { $case: "lease" as const, value: lease },
    };
    return lateOf<Request>({ method: "txn", message: { compare: [compare], success: [put], failure: [] } });
  });
const put = leasedPut.map((message) => lateOf<Request>({ method: "put", message }));
const deletion = deleteRange.map((message) => lateOf<Request>({ method: "deleteRange", message }));
/** Physical compactions: otherwise etcd's answers about removed changes would depend on its progress. */
const compaction = choose([8, compactable], [1, aroundCompaction]).map<Late<Request>>((revision) => (at) => ({
  method: "compact",
  message: { revision: revision(at), physical: true },
}));
const read = range(sort, 4).map<Late<Request>>((late) => (at) => ({ method: "range", message: late(at) }));
const write = choose([6, put], [4, txn], [2, deletion], [1, compareLease]);

const ask = (request: Late<Request>): LiveStep => ({ kind: "ask", request });
const step = choose<readonly LiveStep[]>(
  [24, write.map((request) => [ask(request)])],
  [6, grant.map((steps) => steps.map(ask))],
  [1, briefGrant.map((steps) => steps.map(ask))],
  [3, revoke.map((steps) => steps.map(ask))],
  [2, timeToLive.map((steps) => steps.map(ask))],
  [1, keepAlive.map((steps) => steps.map(ask))],
  [1, fc.constant([ask(listLeases)])],
  [1, read.map((request) => [ask(request)])],
  [3, compaction.map((request) => [ask(request)])],
  [20, fc.record({ stream, request: watchRequest }).map((received) => [{ kind: "tell", ...received }])],
  [
    1,
    fc
      .record({ stream, meanwhile: list(choose([6, write], [1, compaction]), 0, 4) })
      .map((again) => [{ kind: "restart", ...again }]),
  ],
);

const beginning = fc
  .tuple(list(grant, 1, 3), list(write, 2, 6), list(createRequest, 0, 3))
  .map<LiveStep[]>(([grants, writes, creates]) => [
    ...grants.flat().map(ask),
    ...writes.map(ask),
    ...creates.map<LiveStep>((request, index) => ({ kind: "tell", stream: index % 2, request })),
  ]);
const lookBack: Late<Request> = ({ now }) => ({
  method: "txn",
  message: TxnRequest.create({
    success: [0n, now].map((revision) => ({
      request: { $case: "requestRange" as const, value: { ...rangeOfAll, revision } },
    })),
  }),
});
const rangeOfAll = {
  ...everything,
  limit: 0n,
  revision: 0n,
  sortOrder: 0 as const,
  sortTarget: 0 as const,
  serializable: false,
  keysOnly: false,
  countOnly: false,
  minModRevision: 0n,
  maxModRevision: 0n,
  minCreateRevision: 0n,
  maxCreateRevision: 0n,
};
const ending = [...lookAtLeases, lookBack].map(ask);

/** The steps of one run of the test. */
export const liveSequence: fc.Arbitrary<readonly LiveStep[]> = fc
  .tuple(beginning, list(step, 1, 20))
  .map(([first, rest]) => [...first, ...rest.flat(), ...ending]);

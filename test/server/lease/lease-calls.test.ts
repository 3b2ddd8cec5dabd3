// A frozen or disconnected leader may not know that it was deposed, so its answers about leases wait for a quorum round.
import assert from "node:assert/strict";
import test from "node:test";
import { LeaseTimeToLiveResponse } from "../../../proto/index.js";
import { LeaseNotFoundError, runAtOnce } from "../../../store/index.js";
import { LeaseCalls, maxCallsPerRead } from "../../../server/lease/lease-calls.js";
import type { LeaderRequest } from "../../../server/lease/leader-calls.js";
import type { LinearizableRead } from "../../../server/replication/reads.js";
import { toLeaseId } from "../../../testing/ids.js";

const setUp = (keys: Promise<readonly string[]> = Promise.resolve([])) => {
  const rounds: LinearizableRead[] = [];
  const keeper = {
    isLeader: true,
    renewed: [] as bigint[],
    renewLease: (id: bigint, answer: (seconds: number | undefined) => void): void => {
      keeper.renewed.push(id);
      answer(10);
    },
    findLease: () => ({ grantedSeconds: 10, remainingSeconds: 7 }),
  };
  const answers: unknown[] = [];
  const calls = new LeaseCalls({ startRead: (read) => void rounds.push(read) }, keeper, {
    leaseKeys: () => keys,
    runInSlices: (work) => Promise.resolve(runAtOnce(work(() => false))),
  });
  const ask = (...requests: LeaderRequest[]): void =>
    calls.serve(requests.map((request) => ({ request, answer: (answer) => void answers.push(answer) })));
  return { rounds, keeper, answers, ask };
};

test("a keep-alive has no effect and no answer before a quorum has confirmed the leader", () => {
  const { rounds, keeper, answers, ask } = setUp();
  ask({ $case: "renewLease", value: 7n });
  assert.deepEqual([answers, keeper.renewed], [[], []]);
  rounds[0]!.onReady();
  assert.deepEqual([answers, keeper.renewed], [[{ $case: "renewLease", value: 10n }], [7n]]);
});

test("calls that arrived together share a quorum round, so many of them a read", () => {
  const { rounds, keeper, answers, ask } = setUp();
  ask(...Array.from({ length: maxCallsPerRead + 1 }, (_, n) => ({ $case: "renewLease" as const, value: BigInt(n) })));
  assert.deepEqual([rounds.length, answers.length], [2, 0]);
  rounds[0]!.onReady();
  assert.deepEqual([keeper.renewed.length, answers.length], [maxCallsPerRead, maxCallsPerRead]);
  rounds[1]!.onError(new Error("no quorum"));
  assert.deepEqual([keeper.renewed.length, answers.length], [maxCallsPerRead, maxCallsPerRead + 1]);
  assert.equal(answers.at(-1), undefined);
});

test("the remaining time of a lease is answered only after a quorum has confirmed the leader", () => {
  const { rounds, answers, ask } = setUp();
  ask({ $case: "queryLease", value: { lease: 7n, keys: false } });
  assert.deepEqual(answers, []);
  rounds[0]!.onReady();
  const value = { grantedSeconds: 10n, remainingSeconds: 7n, encodedKeys: new Uint8Array() };
  assert.deepEqual(answers, [{ $case: "queryLease", value }]);
});

test("the keys of a lease are answered encoded as the field of the client's response", async () => {
  const { rounds, answers, ask } = setUp(Promise.resolve(["a", "\xff"]));
  ask({ $case: "queryLease", value: { lease: 7n, keys: true } });
  rounds[0]!.onReady();
  await new Promise(setImmediate);
  const [answer] = answers as [{ value: { encodedKeys: Uint8Array } }];
  assert.deepEqual(
    LeaseTimeToLiveResponse.decode(answer.value.encodedKeys).keys.map((key) => Buffer.from(key).toString("latin1")),
    ["a", "\xff"],
  );
});

test("a lease revoked while its keys are encoded has none; after a deposition there is no answer", async () => {
  const ended = setUp(Promise.reject(new LeaseNotFoundError(toLeaseId(7n))));
  ended.ask({ $case: "queryLease", value: { lease: 7n, keys: true } });
  ended.rounds[0]!.onReady();
  const deposed = setUp(Promise.resolve(["a"]));
  deposed.ask({ $case: "queryLease", value: { lease: 7n, keys: true } });
  deposed.rounds[0]!.onReady();
  deposed.keeper.isLeader = false;
  await new Promise(setImmediate);
  const [answer] = ended.answers as [{ value: { encodedKeys: Uint8Array } }];
  assert.equal(answer.value.encodedKeys.length, 0);
  assert.deepEqual(deposed.answers, [undefined]);
});

test("without a quorum, or after a deposition, there is no answer", () => {
  const { rounds, keeper, answers, ask } = setUp();
  ask({ $case: "renewLease", value: 7n });
  rounds[0]!.onError(new Error("no quorum"));
  ask({ $case: "renewLease", value: 7n });
  keeper.isLeader = false;
  rounds[1]!.onReady();
  assert.deepEqual([answers, keeper.renewed], [[undefined, undefined], []]);
});

// A leader that was frozen or cut off may still think that it leads: what it says of leases waits for a quorum.
import assert from "node:assert/strict";
import test from "node:test";
import { LeaseTimeToLiveResponse } from "../../../proto/index.js";
import { atOnce, LeaseNotFoundError } from "../../../store/index.js";
import { LeaseCalls } from "../../../server/lease/lease-calls.js";
import type { LeaderRequest } from "../../../server/lease/served-calls.js";
import { toLeaseId } from "../../../testing/ids.js";

const setUp = (keys: Promise<readonly string[]> = Promise.resolve([])) => {
  const rounds: { readonly confirmed: () => void; readonly failed: (error: unknown) => void }[] = [];
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
  const calls = new LeaseCalls(
    { whenLinearizable: (confirmed, failed) => void rounds.push({ confirmed, failed }) },
    keeper,
    {
      leaseKeys: () => keys,
      inSlices: (work) => Promise.resolve(atOnce(work(() => false))),
    },
  );
  const ask = (request: LeaderRequest): void => calls.serve(request, (answer) => void answers.push(answer));
  return { rounds, keeper, answers, ask };
};

test("a keep-alive has no effect and no answer before a quorum has confirmed the leader", () => {
  const { rounds, keeper, answers, ask } = setUp();
  ask({ $case: "renewLease", value: 7n });
  assert.deepEqual([answers, keeper.renewed], [[], []]);
  rounds[0]!.confirmed();
  assert.deepEqual([answers, keeper.renewed], [[{ $case: "renewLease", value: 10n }], [7n]]);
});

test("the remaining time of a lease is answered only after a quorum has confirmed the leader", () => {
  const { rounds, answers, ask } = setUp();
  ask({ $case: "queryLease", value: { lease: 7n, keys: false } });
  assert.deepEqual(answers, []);
  rounds[0]!.confirmed();
  const value = { grantedSeconds: 10n, remainingSeconds: 7n, encodedKeys: new Uint8Array() };
  assert.deepEqual(answers, [{ $case: "queryLease", value }]);
});

test("the keys of a lease are answered encoded as the field of the client's response", async () => {
  const { rounds, answers, ask } = setUp(Promise.resolve(["a", "\xff"]));
  ask({ $case: "queryLease", value: { lease: 7n, keys: true } });
  rounds[0]!.confirmed();
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
  ended.rounds[0]!.confirmed();
  const deposed = setUp(Promise.resolve(["a"]));
  deposed.ask({ $case: "queryLease", value: { lease: 7n, keys: true } });
  deposed.rounds[0]!.confirmed();
  deposed.keeper.isLeader = false;
  await new Promise(setImmediate);
  const [answer] = ended.answers as [{ value: { encodedKeys: Uint8Array } }];
  assert.equal(answer.value.encodedKeys.length, 0);
  assert.deepEqual(deposed.answers, [undefined]);
});

test("without a quorum, or after a deposition, there is no answer", () => {
  const { rounds, keeper, answers, ask } = setUp();
  ask({ $case: "renewLease", value: 7n });
  rounds[0]!.failed(new Error("no quorum"));
  ask({ $case: "renewLease", value: 7n });
  keeper.isLeader = false;
  rounds[1]!.confirmed();
  assert.deepEqual([answers, keeper.renewed], [[undefined, undefined], []]);
});

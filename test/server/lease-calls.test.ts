// A leader that was frozen or cut off may still think that it leads: what it says of leases waits for a quorum.
import assert from "node:assert/strict";
import test from "node:test";
import { serveLeaseCalls } from "../../server/lease-calls.js";

const setUp = () => {
  const rounds: { readonly confirmed: () => void; readonly failed: (error: unknown) => void }[] = [];
  const keeper = {
    leads: true,
    renewed: [] as bigint[],
    renew: (id: bigint, answer: (seconds: number | undefined) => void): void => {
      keeper.renewed.push(id);
      answer(10);
    },
    info: () => ({ grantedSeconds: 10, remainingSeconds: 7 }),
  };
  const answers: unknown[] = [];
  const serve = serveLeaseCalls({
    reads: { whenLinearizable: (confirmed, failed) => void rounds.push({ confirmed, failed }) },
    keeper,
    store: { leaseKeys: () => [] },
  });
  const ask = (question: Parameters<typeof serve>[0]): void => serve(question, (answer) => void answers.push(answer));
  return { rounds, keeper, answers, ask };
};

test("a keep-alive neither counts nor is answered before a quorum has confirmed who leads", () => {
  const { rounds, keeper, answers, ask } = setUp();
  ask({ $case: "renewLease", value: 7n });
  assert.deepEqual([answers, keeper.renewed], [[], []]);
  rounds[0]!.confirmed();
  assert.deepEqual([answers, keeper.renewed], [[{ $case: "renewLease", value: 10n }], [7n]]);
});

test("what is left of a lease is told only after a quorum has confirmed who leads", () => {
  const { rounds, answers, ask } = setUp();
  ask({ $case: "queryLease", value: { lease: 7n, keys: false } });
  assert.deepEqual(answers, []);
  rounds[0]!.confirmed();
  assert.deepEqual(answers, [{ $case: "queryLease", value: { grantedSeconds: 10n, remainingSeconds: 7n, keys: [] } }]);
});

test("without a quorum, or once another leads, there is no answer: the member that asked asks again", () => {
  const { rounds, keeper, answers, ask } = setUp();
  ask({ $case: "renewLease", value: 7n });
  rounds[0]!.failed(new Error("no quorum"));
  ask({ $case: "renewLease", value: 7n });
  keeper.leads = false;
  rounds[1]!.confirmed();
  assert.deepEqual([answers, keeper.renewed], [[undefined, undefined], []]);
});

// minietcdctl lease keep-alive: the times of its renewals. Its outputs are compared with etcdctl's in test/interop/etcdctl.

import assert from "node:assert/strict";
import { test } from "node:test";
import { renewalPauseMs } from "../../../../cli/ctl/commands/lease.js";

test("a lease is renewed three times within its TTL, and one of years is not renewed without a pause", () => {
  assert.equal(renewalPauseMs(60), 20_000);
  const longest = renewalPauseMs(9_000_000_000); // the longest TTL
  assert.ok(longest > 86_400_000 && longest < 2 ** 31, "Node's timers fire at once for a longer time");
});

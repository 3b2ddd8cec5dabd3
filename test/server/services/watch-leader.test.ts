// Streams that require a leader (etcd v3 API, metadata `hasleader`).

import assert from "node:assert/strict";
import { test } from "node:test";
import { anonymousCaller } from "../../../server/base/caller.js";
import { ServerError } from "../../../server/base/errors.js";
import { LeaderRequired } from "../../../server/rpc/leader-required.js";
import { bidi, type BidiMethod, type Call } from "../../../server/rpc/method-table.js";
import { VirtualClock } from "../../../testing/virtual-clock.js";

const codec = { encode: () => ({ finish: () => new Uint8Array() }), decode: () => undefined };

const guarded = () => {
  const clock = new VirtualClock();
  const state = { hasLeader: true, closed: 0 };
  const required = new LeaderRequired({ clock, electionMs: 100, hasLeader: () => state.hasLeader });
  const method = bidi("/a.B/C", codec, codec, () => ({
    onRequest: () => undefined,
    onHalfClose: () => undefined,
    onClosed: () => (state.closed += 1),
  }));
  const open = (hasleader?: string) => {
    const errors: unknown[] = [];
    const call: Call = {
      ...anonymousCaller,
      metadata: (key) => (key === "hasleader" ? hasleader : undefined),
      onCancelled: () => undefined,
    };
    const sink = (required.guard(method) as BidiMethod).open(call, {
      send: () => true,
      onDrain: () => undefined,
      fail: (error) => {
        errors.push(error);
        sink.onClosed();
      },
      end: () => undefined,
    });
    return { sink, errors };
  };
  return { clock, state, open };
};

test("a stream that asks for a leader ends after three election timeouts without one in a row", () => {
  const { clock, state, open } = guarded();
  const { errors } = open("true");
  state.hasLeader = false;
  clock.advance(299);
  state.hasLeader = true;
  clock.advance(100);
  state.hasLeader = false;
  clock.advance(200);
  assert.equal(errors.length, 0);
  clock.advance(1);
  assert.equal(errors.length, 1);
  assert.ok(errors[0] instanceof ServerError && errors[0].code === "no-leader");
  assert.equal(state.closed, 1);
});

test("one that does not ask, in exactly that word, stays", () => {
  const { clock, state, open } = guarded();
  const streams = [open(), open("false"), open("TRUE")];
  state.hasLeader = false;
  clock.advance(1_000);
  assert.ok(streams.every(({ errors }) => errors.length === 0));
});

test("nothing is left behind when the last stream is over", () => {
  const { clock, open } = guarded();
  const [one, other] = [open("true"), open("true")];
  one.sink.onClosed();
  assert.equal(clock.pendingTimers, 1);
  other.sink.onClosed();
  assert.equal(clock.pendingTimers, 0);
});

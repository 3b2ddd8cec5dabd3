// Conditions on the metadata of requests, checked around an application (etcd v3 API, `hasleader`, `client-api-version`).

import assert from "node:assert/strict";
import { test } from "node:test";
import { PutRequest } from "../../../proto/index.js";
import { Admission } from "../../../server/app/admission.js";
import type { Application } from "../../../server/app/application.js";
import { anonymousCaller, type Caller } from "../../../server/base/caller.js";
import { ServerError } from "../../../server/base/errors.js";
import { toMemberId } from "../../../testing/ids.js";
import { VirtualClock } from "../../../testing/virtual-clock.js";
import { coreStatus } from "../member/member-fixtures.js";

const callerWith = (metadata: Readonly<Record<string, string>>): Caller => ({
  ...anonymousCaller,
  metadata: (key) => metadata[key],
});

/** Wraps an application that counts the admitted requests. */
const setUp = () => {
  const clock = new VirtualClock();
  const state = { hasLeader: true, puts: 0, opened: 0, closed: 0 };
  const open = () => {
    state.opened += 1;
    return { close: () => (state.closed += 1) };
  };
  const inner = { put: () => (state.puts += 1), watch: open, leaseKeepAlive: open };
  const node = { status: () => coreStatus(state.hasLeader ? { leader: toMemberId(2n) } : {}) };
  const admission = new Admission({ clock, electionMs: 100, node });
  const application = admission.wrap(inner as unknown as Application);
  const put = (metadata: Readonly<Record<string, string>>): void =>
    application.put(callerWith(metadata), PutRequest.fromPartial({}), {
      onResult: () => assert.fail("a result"),
      onError: assert.ifError,
    });
  /** Opens a session, and closes it at its first error, as a stream does. Returns the errors. */
  const openSession = (kind: "watch" | "leaseKeepAlive", hasleader?: string) => {
    const errors: unknown[] = [];
    const onError = (error: unknown): void => {
      errors.push(error);
      session.close();
    };
    const caller = callerWith(hasleader === undefined ? {} : { hasleader });
    const session =
      kind === "leaseKeepAlive"
        ? application.leaseKeepAlive(caller, { onError })
        : application.watch(caller, {
            onError,
            onAnswer: () => true,
            createLabel: () => new Uint8Array(),
            onEvents: () => 1,
          });
    return { session, errors };
  };
  return { clock, state, put, openSession };
};

test("a request with a client-api-version that is not UTF-8 is refused", () => {
  const { put, state } = setUp();
  assert.throws(() => put({ "client-api-version": "\xff" }), { code: "invalid-client-version" });
  put({ "client-api-version": "3.7" });
  assert.equal(state.puts, 1);
});

test("without a leader only requests that require one, in exactly that word, are refused", () => {
  const { put, state, openSession } = setUp();
  put({ hasleader: "true" });
  state.hasLeader = false;
  assert.throws(() => put({ hasleader: "true" }), { code: "no-leader" });
  for (const kind of ["watch", "leaseKeepAlive"] as const)
    assert.throws(() => openSession(kind, "true"), { code: "no-leader" });
  put({ hasleader: "TRUE" });
  put({});
  assert.deepEqual([state.puts, state.opened], [3, 0]);
});

for (const kind of ["watch", "leaseKeepAlive"] as const) {
  test(`a ${kind} session that requires a leader ends after three election timeouts without one in a row`, () => {
    const { clock, state, openSession } = setUp();
    const { errors } = openSession(kind, "true");
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

  test(`a ${kind} session that does not require a leader, in exactly that word, stays`, () => {
    const { clock, state, openSession } = setUp();
    const sessions = [openSession(kind), openSession(kind, "false"), openSession(kind, "TRUE")];
    state.hasLeader = false;
    clock.advance(1_000);
    assert.ok(sessions.every(({ errors }) => errors.length === 0));
  });

  test(`no timer is left when the last ${kind} session that requires a leader is closed`, () => {
    const { clock, openSession } = setUp();
    const [one, other] = [openSession(kind, "true"), openSession(kind, "true")];
    one.session.close();
    assert.equal(clock.pendingTimers, 1);
    other.session.close();
    assert.equal(clock.pendingTimers, 0);
  });
}

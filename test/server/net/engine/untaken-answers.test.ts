import assert from "node:assert/strict";
import { test } from "node:test";
import {
  maxUntakenBytes,
  maxUntakenBytesOfConnection,
  untakenBytesUnderPressure,
} from "../../../../server/base/limits.js";
import { UntakenAnswers } from "../../../../server/net/engine/untaken-answers.js";
import { VirtualClock } from "../../../../testing/virtual-clock.js";

const mebibyte = 1024 * 1024;

const setUp = () => {
  const clock = new VirtualClock();
  const stalled: number[] = [];
  const answers = new UntakenAnswers(clock, (bytes) => stalled.push(bytes));
  const connection = () => {
    const state = { bytesWritten: 0, isClosed: false, destroy: (): void => undefined };
    const untaken = answers.add(state);
    state.destroy = () => {
      state.isClosed = true;
      answers.delete(untaken);
    };
    return { state, untaken };
  };
  return { clock, stalled, answers, connection };
};

test("one connection has no limit for its answers while all connections together are below the bound", () => {
  const { clock, answers, connection } = setUp();
  const { untaken } = connection();
  untaken.keep(untakenBytesUnderPressure);
  assert.equal(untaken.hasRoom, true);
  assert.equal(answers.isPressed, false);
  assert.equal(clock.pendingTimers, 0, "nobody is looked at");
});

test("under pressure reads of a connection with many waiting bytes are refused, and those of others answered", () => {
  const { answers, connection } = setUp();
  const [greedy, other] = [connection().untaken, connection().untaken];
  greedy.keep(untakenBytesUnderPressure + 1);
  assert.equal(answers.isPressed, true);
  assert.equal(greedy.hasRoom, false);
  assert.equal(other.hasRoom, true);
  other.keep(maxUntakenBytesOfConnection);
  assert.equal(other.hasRoom, false);
});

test("reads are refused at the bound until clients read answers", () => {
  const { answers, connection } = setUp();
  const [greedy, other] = [connection().untaken, connection().untaken];
  greedy.keep(untakenBytesUnderPressure);
  greedy.keep(maxUntakenBytes - untakenBytesUnderPressure);
  assert.equal(other.hasRoom, false);
  greedy.release(maxUntakenBytes - untakenBytesUnderPressure);
  assert.equal(answers.bytes, untakenBytesUnderPressure);
  assert.equal(answers.isPressed, false);
  assert.equal(other.hasRoom, true);
});

test("a closed connection's answers no longer count, even if its calls report more afterwards", () => {
  const { answers, connection } = setUp();
  const [{ state, untaken }, other] = [connection(), connection().untaken];
  untaken.keep(mebibyte);
  other.keep(1);
  state.destroy();
  untaken.release(mebibyte);
  untaken.keep(mebibyte);
  state.destroy();
  assert.equal(answers.bytes, 1);
});

test("under pressure a connection whose client reads nothing for five seconds is closed; one with a slow reader is not", () => {
  const { clock, stalled, answers, connection } = setUp();
  const [silent, slow, small] = [connection(), connection(), connection()];
  silent.untaken.keep(untakenBytesUnderPressure);
  slow.untaken.keep(mebibyte);
  small.untaken.keep(1_000);
  for (let second = 0; second < 4; second++) {
    slow.state.bytesWritten += 4_096; // 16 KiB in four seconds
    silent.state.bytesWritten += 17; // the answer to a ping
    clock.advance(1_000);
  }
  assert.deepEqual(
    [silent, slow, small].map(({ state }) => state.isClosed),
    [false, false, false],
  );
  slow.state.bytesWritten += 4_096;
  clock.advance(1_000);
  assert.deepEqual(
    [silent, slow, small].map(({ state }) => state.isClosed),
    [true, false, false],
  );
  assert.deepEqual(stalled, [untakenBytesUnderPressure]);
  assert.equal(answers.bytes, mebibyte + 1_000);
  assert.equal(clock.pendingTimers, 0, "the pressure is gone, and nobody is looked at");
});

test("stopping leaves no timer behind", () => {
  const { clock, answers, connection } = setUp();
  connection().untaken.keep(untakenBytesUnderPressure + 1);
  assert.equal(clock.pendingTimers, 1);
  answers.stop();
  assert.equal(clock.pendingTimers, 0);
});

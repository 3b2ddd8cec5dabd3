// The contract of a snapshot channel: tests for the real one and the simulated ones.
import assert from "node:assert/strict";
import { describe, test, type TestContext } from "node:test";
import { ChannelClosedError, type SnapshotChannel } from "../../../server/peers/channel.js";

/** Both sides of an open channel. */
export interface OpenChannel {
  readonly here: SnapshotChannel;
  readonly there: SnapshotChannel;
  /** Breaks the connection after everything sent has arrived. */
  readonly cut: () => Promise<void>;
}

/** Lets pending events happen. */
export const takeTurns = async (count = 200): Promise<void> => {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
};

const text = (payload: Uint8Array): string => Buffer.from(payload).toString();

/** Marks the failure of a promise as handled; the test checks it later. */
const ignoreRejection = <T>(promise: Promise<T>): Promise<T> => {
  promise.catch(() => undefined);
  return promise;
};

/** Defines the tests of a kind of channel. */
export const testChannelContract = (kind: string, open: (t: TestContext) => Promise<OpenChannel>): void => {
  describe(`a channel ${kind}`, () => {
    test("delivers payloads of any size complete and in order, in both directions", async (t) => {
      const { here, there } = await open(t);
      const sizes = [0, 1, 70_000, 3_000_000, 5];
      const sending = (async () => {
        for (const size of sizes) await here.send(Buffer.alloc(size, size));
      })();
      for (const size of sizes) {
        const payload = Buffer.from(await there.receive());
        assert.ok(payload.equals(Buffer.alloc(size, size)), `${size} bytes`);
      }
      await sending;
      const [answer] = await Promise.all([here.receive(), there.send(Buffer.from("thanks"))]);
      assert.equal(text(answer), "thanks");
    });

    test("makes send wait for the receiver: few payloads are in flight", async (t) => {
      const { here, there } = await open(t);
      const payload = Buffer.alloc(128 * 1024);
      let sent = 0;
      const sending = (async () => {
        for (let n = 0; n < 200; n++) {
          await here.send(payload);
          sent++;
        }
      })();
      for (let last = -1; last !== sent;) {
        last = sent;
        await takeTurns();
      }
      assert.ok(sent < 20, `${sent} payloads were sent and none was received`);
      for (let n = 0; n < 200; n++) assert.equal((await there.receive()).length, payload.length);
      await sending;
    });

    test("delivers the last payload before close although the other side is sending", async (t) => {
      const { here, there } = await open(t);
      const payload = Buffer.alloc(128 * 1024);
      const sending = ignoreRejection(
        (async () => {
          for (;;) await here.send(payload);
        })(),
      );
      await there.receive();
      void ignoreRejection(there.send(Buffer.from("no more")));
      there.close("not wanted");
      assert.equal(text(await here.receive()), "no more");
      here.close("not wanted");
      await assert.rejects(sending, ChannelClosedError);
    });

    test("fails pending and later calls after close, here with its reason, which the first close gives", async (t) => {
      const { here, there } = await open(t);
      const [ours, theirs] = [ignoreRejection(here.receive()), ignoreRejection(there.receive())];
      here.close("done");
      here.close("done twice");
      await assert.rejects(ours, (error) => error instanceof ChannelClosedError && error.message === "done");
      await assert.rejects(here.receive(), ChannelClosedError);
      await assert.rejects(here.send(Buffer.from("after")), ChannelClosedError);
      await assert.rejects(theirs, ChannelClosedError);
      await assert.rejects(there.send(Buffer.from("after")), ChannelClosedError);
    });

    test("fails calls at both sides after a cut, and returns the payloads received before", async (t) => {
      const { here, there, cut } = await open(t);
      void ignoreRejection(here.send(Buffer.from("before")));
      const nothing = ignoreRejection(here.receive());
      await cut();
      const isCut = (error: unknown) => error instanceof ChannelClosedError && error.message === "connection closed";
      await assert.rejects(nothing, isCut);
      await assert.rejects(here.send(Buffer.from("after")), ChannelClosedError);
      assert.equal(text(await there.receive()), "before");
      await assert.rejects(there.receive(), isCut);
    });
  });
};

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { startTestServer } from "../../../../testing/kit/index.js";
import { StreamHold } from "../../../../testing/kit/in-process/stream-hold.js";
import { eventually } from "../../../support/deadline.js";

describe("a watch that a test has forgotten", () => {
  it("keeps the process alive by one timer that ends, also if a loop reads it", async () => {
    const countTimers = (): number => process.getActiveResourcesInfo().filter((kind) => kind === "Timeout").length;
    await using server = await startTestServer({ listen: false });
    const before = countTimers();
    const watch = server.client().watch("a");
    const loop = (async () => {
      for await (const event of watch) assert.fail(event.type);
    })();
    await watch.whenReady();
    await eventually(10_000, "one more timer", () => countTimers() <= before + 1 || undefined);
    await watch.close();
    await loop;
  });

  it("keeps the process alive anew for events only, not for progress notices", async (t) => {
    const touch = t.mock.method(StreamHold.prototype, "touch");
    await using server = await startTestServer({ listen: false });
    const client = server.client();
    await using watch = client.watch("a");
    await client.kv.put("a", "1");
    const responses = watch.responses();
    const { events } = (await responses.next()).value ?? assert.fail();
    assert.deepEqual([events.length, touch.mock.callCount()], [1, 1]);
    client.requestWatchProgress();
    assert.deepEqual(((await responses.next()).value ?? assert.fail()).events, []);
    assert.equal(touch.mock.callCount(), 1);
  });
});

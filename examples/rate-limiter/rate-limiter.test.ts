import assert from "node:assert/strict";
import { test } from "node:test";
import { startTestServer } from "../../testing/kit/index.js";
import { RateLimiter } from "./rate-limiter.js";

const limit = { uses: 3, windowSeconds: 10 };

test("two servers together grant no more than the limit, however many ask at once", async () => {
  await using server = await startTestServer({ clock: "virtual", listen: false });
  const limiters = [new RateLimiter(server.client(), limit), new RateLimiter(server.client(), limit)];
  const granted = await Promise.all(limiters.flatMap((each) => Array.from({ length: 10 }, () => each.take("anna"))));
  assert.equal(granted.filter(Boolean).length, 3);
});

test("a use is returned to the limit when its window has ended", async () => {
  await using server = await startTestServer({ clock: "virtual", listen: false });
  const limiter = new RateLimiter(server.client(), limit);
  assert.ok(await limiter.take("anna"));
  await server.clock.advance("5s");
  assert.deepEqual([await limiter.take("anna"), await limiter.take("anna")], [true, true]);
  assert.equal(await limiter.take("anna"), false);
  await server.clock.advance("7s"); // the first use is 12 s ago, the others 7 s
  assert.deepEqual([await limiter.take("anna"), await limiter.take("anna")], [true, false]);
});

test("each user has a limit of their own", async () => {
  await using server = await startTestServer({ clock: "virtual", listen: false });
  const limiter = new RateLimiter(server.client(), { uses: 1, windowSeconds: 60 });
  assert.deepEqual([await limiter.take("anna"), await limiter.take("ben")], [true, true]);
  assert.equal(await limiter.take("anna"), false);
});

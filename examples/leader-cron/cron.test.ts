import assert from "node:assert/strict";
import { EventEmitter, on, once } from "node:events";
import { test } from "node:test";
import type { Client } from "../../client/index.js";
import { startTestServer } from "../../testing/kit/index.js";
import { runCron } from "./cron.js";

/** A clock that all machines of the test share. */
class Wall extends EventEmitter<{ strike: [Date] }> {
  strike(time: string): void {
    this.emit("strike", new Date(`2030-01-01T${time}Z`));
  }

  /** Yields the times that `strike` emits from now on. */
  times(signal: AbortSignal): AsyncIterable<Date> {
    const strikes = on(this, "strike", { signal }) as AsyncIterable<[Date]>;
    return (async function* () {
      for await (const [time] of strikes) yield time;
    })();
  }
}

test("the job runs once at each time, and on another machine when the first one has died", async () => {
  await using server = await startTestServer({ clock: "virtual", listen: false });
  const wall = new Wall();
  const runs = new EventEmitter<{ run: [string] }>();
  const start = (name: string, client: Client) => {
    const stop = new AbortController();
    const run = (time: Date) => void runs.emit("run", `${name} at ${time.toISOString().slice(11, 16)}`);
    const ended = runCron(client, { name: "report", times: wall.times(stop.signal), run }, { name, stop: stop.signal });
    return { stop, ended };
  };
  const nextRun = async (): Promise<string> => ((await once(runs, "run")) as [string])[0];
  const dying = server.client();
  const anna = start("anna", dying);

  let run = nextRun();
  wall.strike("08:00");
  assert.equal(await run, "anna at 08:00");

  const ben = start("ben", server.client());
  run = nextRun();
  wall.strike("09:00");
  assert.equal(await run, "anna at 09:00");

  run = nextRun();
  await dying.close(); // anna is dead, and does not renew its lease any more
  wall.strike("10:00");
  await assert.rejects(anna.ended);
  await server.clock.advance("7s");
  assert.equal(await run, "ben at 10:00"); // and not at 09:00, which anna had claimed

  ben.stop.abort();
  await ben.ended;
});

import assert from "node:assert/strict";
import { EventEmitter, on } from "node:events";
import { test } from "node:test";
import { startTestServer } from "../../testing/kit/index.js";
import { runGateway } from "./gateway.js";
import type { Place } from "./http.js";
import { runService } from "./service.js";

/** An address to listen at, and the lines that the process there prints. */
class TestPlace implements Place {
  readonly host = "127.0.0.1";
  readonly port = 0;
  readonly ending = new AbortController();
  readonly stop = this.ending.signal;
  private readonly printed = new EventEmitter<{ line: [string] }>();
  private readonly lines = on(this.printed, "line") as AsyncIterator<[string]>;
  readonly print = (line: string): void => void this.printed.emit("line", line);

  /** Waits for the next line, which must start with `beginning`. @returns the rest of the line */
  async next(beginning: string): Promise<string> {
    const { value } = (await this.lines.next()) as IteratorYieldResult<[string]>;
    const [line] = value;
    assert.ok(line.startsWith(beginning), line);
    return line.slice(beginning.length);
  }
}

test("the gateway forwards to registered services, and drops a service that has died", async () => {
  await using server = await startTestServer({ clock: "virtual", listen: false });
  const [gateway, living, dying] = [new TestPlace(), new TestPlace(), new TestPlace()];
  const running = [runGateway(server.client(), gateway)];
  const url = await gateway.next("Gateway: ");
  const ask = async (): Promise<string> => (await fetch(`${url}/hello`)).text();
  assert.equal(await ask(), "No service is there\n");

  const clientOfDying = server.client();
  for (const [client, name, place] of [
    [server.client(), "srv1", living],
    [clientOfDying, "srv2", dying],
  ] as const) {
    running.push(runService(client, name, place));
    const address = (await place.next("Registered: ")).split(" = ")[1];
    assert.equal(await gateway.next("Services Change: "), `PUT "/discovery/${name}" : "${address}"`);
  }
  assert.deepEqual([await ask(), await ask()].sort(), ["srv1 answers /hello\n", "srv2 answers /hello\n"]);

  await clientOfDying.close(); // the lease is not renewed any more
  await server.clock.advance("7s");
  assert.equal(await gateway.next("Services Change: "), 'DELETE "/discovery/srv2" : ""');
  assert.equal(await ask(), "srv1 answers /hello\n");
  assert.equal(await ask(), "srv1 answers /hello\n");

  for (const { ending } of [living, dying, gateway]) ending.abort();
  await Promise.all(running);
});

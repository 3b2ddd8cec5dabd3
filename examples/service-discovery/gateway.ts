// The gateway: watches the registered services, and forwards requests to them in turn.

import { createServer } from "node:http";
import { CompactedError, EtcdError, toText, type Client } from "../../client/index.js";
import { listen, pause, type Place } from "./http.js";
import { forwardInTurn } from "./forward.js";
import { directory } from "./service.js";

/** Pause before the next attempt while the cluster does not answer. */
const pauseMs = 500;

export async function runGateway(client: Client, place: Place): Promise<void> {
  const services = new Map<string, string>();
  const server = createServer(forwardInTurn(() => [...services.values()]));
  place.print(`Gateway: http://${await listen(server, place)}`);
  await follow(client, new Directory(services, place.print), place.stop);
  server.close();
}

/** Keeps the directory up to date with the cluster. */
async function follow(client: Client, services: Directory, stop: AbortSignal): Promise<void> {
  let isFirst = true;
  while (!stop.aborted) {
    try {
      const { kvs, header } = await client.kv.get(directory, { prefix: true, signal: stop });
      const found = new Map(kvs.map(({ key, value }) => [toText(key), toText(value)]));
      if (isFirst) for (const [name, address] of found) services.add(name, address);
      else services.catchUp(found);
      isFirst = false;
      const changes = client.watch(directory, { prefix: true, startRevision: header.revision + 1, signal: stop });
      for await (const { type, kv } of changes) services.change(type, toText(kv.key), toText(kv.value));
    } catch (error) {
      if (!(error instanceof EtcdError)) throw error;
      if (error.code === "cancelled") return;
      // Changes during a lost connection may be compacted; then the services are listed again at once.
      if (!(error instanceof CompactedError)) await pause(pauseMs, stop);
    }
  }
}

/** Addresses by the name of the service; prints every change. */
class Directory {
  constructor(
    private readonly services: Map<string, string>,
    private readonly print: (line: string) => void,
  ) {}

  add(name: string, address: string): void {
    this.services.set(name, address);
    this.print(`Exist services: ${name} = ${address}`);
  }

  change(type: "put" | "delete", name: string, address: string): void {
    if (type === "put") this.services.set(name, address);
    else this.services.delete(name);
    this.print(`Services Change: ${type.toUpperCase()} "${name}" : "${address}"`);
  }

  catchUp(found: ReadonlyMap<string, string>): void {
    for (const name of [...this.services.keys()]) if (!found.has(name)) this.change("delete", name, "");
    for (const [name, address] of found) if (this.services.get(name) !== address) this.change("put", name, address);
  }
}

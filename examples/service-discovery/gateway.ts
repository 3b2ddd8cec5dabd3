// The gateway: it knows which services there are, and passes requests on to them in turn.

import { createServer } from "node:http";
import { CompactedError, EtcdError, toText, type Client } from "../../client/index.js";
import { listen, pause, type Place } from "./http.js";
import { forwardInTurn } from "./forward.js";
import { directory } from "./service.js";

/** Pause before another try while the cluster does not answer. */
const pauseMs = 500;

export async function runGateway(client: Client, place: Place): Promise<void> {
  const services = new Map<string, string>();
  const server = createServer(forwardInTurn(() => [...services.values()]));
  console.log(`Gateway: http://${await listen(server, place)}`);
  await follow(client, services, place.stop);
  server.close();
}

/** Keeps `services` as the cluster has them, and prints every change. */
async function follow(client: Client, services: Map<string, string>, stop: AbortSignal): Promise<void> {
  let isFirst = true;
  while (!stop.aborted) {
    try {
      const { kvs, header } = await client.kv.get(directory, { prefix: true, signal: stop });
      const found = new Map(kvs.map(({ key, value }) => [toText(key), toText(value)]));
      if (isFirst) for (const [name, address] of found) exists(services, name, address);
      else catchUp(services, found);
      isFirst = false;
      const changes = client.watch(directory, { prefix: true, startRevision: header.revision + 1, signal: stop });
      for await (const { type, kv } of changes) change(services, type, toText(kv.key), toText(kv.value));
    } catch (error) {
      if (!(error instanceof EtcdError)) throw error;
      if (error.code === "cancelled") return;
      // What happened while we were cut off may be compacted. What is there now is not.
      if (!(error instanceof CompactedError)) await pause(pauseMs, stop);
    }
  }
}

function exists(services: Map<string, string>, name: string, address: string): void {
  services.set(name, address);
  console.log(`Exist services: ${name} = ${address}`);
}

function change(services: Map<string, string>, type: "put" | "delete", name: string, address: string): void {
  if (type === "put") services.set(name, address);
  else services.delete(name);
  console.log(`Services Change: ${type.toUpperCase()} "${name}" : "${address}"`);
}

function catchUp(services: Map<string, string>, found: ReadonlyMap<string, string>): void {
  for (const name of [...services.keys()]) if (!found.has(name)) change(services, "delete", name, "");
  for (const [name, address] of found) if (services.get(name) !== address) change(services, "put", name, address);
}

// A service: it serves HTTP, and is registered while it runs.

import { createServer } from "node:http";
import { EtcdError, type Client } from "../../client/index.js";
import { listen, pause, type Place } from "./http.js";

/** The directory in which services are registered: `/discovery/srv1` = `10.0.0.1:8001`. */
export const directory = "/discovery/";

/** Seconds after the death of a service until its registration ends. */
const ttlSeconds = 5;

/** Pause before the next attempt while the cluster does not answer. */
const pauseMs = 500;

export async function runService(client: Client, name: string, place: Place): Promise<void> {
  const server = createServer((request, response) => response.end(`${name} answers ${request.url ?? ""}\n`));
  const address = await listen(server, place);
  while (!place.stop.aborted) {
    try {
      await stayRegistered(client, directory + name, address, place);
    } catch (error) {
      if (!(error instanceof EtcdError)) throw error;
      if (error.code === "cancelled") break;
      place.print(`Not registered: ${error.message}`);
      await pause(pauseMs, place.stop);
    }
  }
  server.close();
}

/**
 * Registers the service until the lease is lost or the service stops. A service that stops revokes the lease, which ends the
 * registration at once.
 */
async function stayRegistered(client: Client, key: string, address: string, place: Place): Promise<void> {
  const { stop } = place;
  await using lease = await client.lease.hold({ ttlSeconds, signal: stop });
  await client.kv.put(key, address, { lease: lease.id });
  place.print(`Registered: ${key} = ${address}`);
  const loss = await Promise.race([lease.whenEnded, pause(Infinity, stop)]);
  if (loss !== undefined) place.print(`${loss.message}; registering again`);
}

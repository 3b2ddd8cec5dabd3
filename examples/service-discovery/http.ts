// Functions of the gateway and the services: listen, and wait.

import { once } from "node:events";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as delay } from "node:timers/promises";

export interface Place {
  readonly host: string;
  /** The port; 0: any free port. */
  readonly port: number;
  /** Aborted to stop the process. */
  readonly stop: AbortSignal;
  /** Prints a line of output. */
  readonly print: (line: string) => void;
}

/** Listens. @returns the address of the server for other processes, as `IP:port` */
export async function listen(server: Server, { host, port }: Place): Promise<string> {
  server.listen(port, host);
  await once(server, "listening");
  return `${host}:${(server.address() as AddressInfo).port}`;
}

/** Waits, at most until `stop` is aborted. Infinity: until `stop` is aborted. */
export async function pause(milliseconds: number, stop: AbortSignal): Promise<undefined> {
  if (stop.aborted) return;
  if (milliseconds === Infinity) await once(stop, "abort");
  else await delay(milliseconds, undefined, { signal: stop }).catch(() => undefined);
}

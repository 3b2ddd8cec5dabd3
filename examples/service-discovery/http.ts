// Listening and waiting, for the gateway and the services alike.

import { once } from "node:events";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as delay } from "node:timers/promises";

export interface Place {
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
  /** Raised when it is time to go. */
  readonly stop: AbortSignal;
  /** Takes a line of output. */
  readonly print: (line: string) => void;
}

/** @returns the address others reach it at, as `IP:port` */
export async function listen(server: Server, { host, port }: Place): Promise<string> {
  server.listen(port, host);
  await once(server, "listening");
  return `${host}:${(server.address() as AddressInfo).port}`;
}

/** Waits, but not when it is time to go. Infinity: until then. */
export async function pause(milliseconds: number, stop: AbortSignal): Promise<undefined> {
  if (stop.aborted) return;
  if (milliseconds === Infinity) await once(stop, "abort");
  else await delay(milliseconds, undefined, { signal: stop }).catch(() => undefined);
}

import { once } from "node:events";
import { createServer, type Server } from "node:net";

/**
 * Ports below those that the system assigns (by default 32768 on Linux, 49152 elsewhere): a member that is down for a while finds its
 * port free when it starts again.
 */
const firstPort = 10_000;
const lastPort = 30_000;

/**
 * Test files run concurrently in processes of their own, so a process takes its ports from blocks that no other process uses: it
 * listens on the first port of each until it ends.
 */
const portsPerBlock = 50;
const blockCount = Math.floor((lastPort - firstPort) / portsPerBlock);

/** Returns a server that listens on the port, or undefined if the port is in use. */
const listenOn = async (port: number): Promise<Server | undefined> => {
  const server = createServer().listen(port, "127.0.0.1");
  try {
    await once(server, "listening");
    return server;
  } catch {
    return undefined;
  }
};

const isFree = async (port: number): Promise<boolean> => {
  const server = await listenOn(port);
  if (server === undefined) return false;
  server.close();
  await once(server, "close");
  return true;
};

/** Reserves a block for this process, and yields its free ports; then the next one. */
async function* findFreePorts(): AsyncGenerator<number, never> {
  for (let tried = 0; tried < blockCount; tried++) {
    const first = firstPort + ((process.pid + tried) % blockCount) * portsPerBlock;
    const reservation = await listenOn(first);
    if (reservation === undefined) continue;
    reservation.unref();
    for (let port = first + 1; port < first + portsPerBlock; port++) if (await isFree(port)) yield port;
  }
  throw new Error(`no port between ${firstPort} and ${lastPort} is free`);
}

const ports = findFreePorts();

/** Returns free ports of 127.0.0.1, for programs that cannot use port 0. Each port is returned once. */
export const freePorts = async (count: number): Promise<number[]> => {
  const found = await Promise.all(Array.from({ length: count }, () => ports.next()));
  return found.map(({ value }) => value);
};

import { once } from "node:events";
import { createServer } from "node:net";

/** Ports below those that the system assigns, so that no other process is assigned one before it is used. */
const range = { first: 10_000, last: 30_000 };

const isFree = async (port: number): Promise<boolean> => {
  const server = createServer().listen(port, "127.0.0.1");
  try {
    await once(server, "listening");
    return true;
  } catch {
    return false;
  } finally {
    server.close();
  }
};

/** Returns free ports of 127.0.0.1, for programs that cannot use port 0. Each port is returned once. */
export const freePorts = async (count: number): Promise<number[]> => {
  const ports: number[] = [];
  while (ports.length < count) {
    next = next >= range.last ? range.first : next + 1;
    if (await isFree(next)) ports.push(next);
  }
  return ports;
};

// Test files run concurrently, so each begins at another port.
let next = range.first + ((process.pid * 97) % (range.last - range.first));

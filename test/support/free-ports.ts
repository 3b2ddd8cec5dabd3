import { once } from "node:events";
import { createServer } from "node:net";

/** Below the ports that systems hand out by themselves, so that nobody is given one between our look and its use. */
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

/** Ports of 127.0.0.1 that nobody uses, for programs that cannot be told to take any. Each is given once. */
export const freePorts = async (count: number): Promise<number[]> => {
  const ports: number[] = [];
  while (ports.length < count) {
    next = next >= range.last ? range.first : next + 1;
    if (await isFree(next)) ports.push(next);
  }
  return ports;
};

// Test files run beside each other: each begins elsewhere.
let next = range.first + ((process.pid * 97) % (range.last - range.first));

// `npm run bench -- gateway`: the CPU of puts through the JSON gateway, on minietcd and on etcd beside it.

import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { totalCpuMs } from "./process-usage.js";
import { format, median, printTable, ratio } from "./report.js";
import { Scope } from "./scope.js";
import { availableServers, createMembers, pidsOf, type Server } from "./servers.js";

const rounds = 3;
const connections = 8;
/** Puts of a server that has just started, and puts that follow, until V8 has compiled what they need. */
const phases = [
  { name: "first 2 000 puts", puts: 2_000 },
  { name: "next 6 000 puts", puts: 6_000 },
  { name: "next 20 000 puts", puts: 20_000 },
] as const;
const valueBytes = 64;
const endOfHead = "\r\n\r\n";

const base64 = (text: string): string => Buffer.from(text).toString("base64");

/** Returns the text of a put over HTTP/1.1. */
const putText = (key: string): string => {
  const body = JSON.stringify({ key: base64(key), value: base64("v".repeat(valueBytes)) });
  return `POST /v3/kv/put HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${body.length}${endOfHead}${body}`;
};

/** Sends one request after the other on a kept connection. @param take returns the next; undefined: there is none */
const sendAll = (socket: Socket, take: () => string | undefined): Promise<void> =>
  new Promise((resolve, reject) => {
    let text = "";
    const send = (): void => {
      const request = take();
      text = "";
      if (request !== undefined) socket.write(request);
      else {
        socket.removeAllListeners("data");
        resolve();
      }
    };
    socket.on("data", (bytes: Buffer) => {
      text += bytes.toString("latin1");
      const end = text.indexOf(endOfHead);
      const length = Number(/^content-length: (\d+)/im.exec(text)?.[1] ?? NaN);
      if (end === -1 || text.length < end + endOfHead.length + length) return;
      if (text.startsWith("HTTP/1.1 200 ") && !Number.isNaN(length)) send();
      else reject(new Error(`a put was answered by ${text}`));
    });
    socket.once("error", reject);
    send();
  });

/** Puts so many keys. @returns microseconds of the server's CPU for each */
const cpuOf = async (
  pids: readonly number[],
  sockets: readonly Socket[],
  puts: number,
): Promise<number | undefined> => {
  const before = totalCpuMs(pids);
  let next = 0;
  const take = (): string | undefined => (next < puts ? putText(`key-${next++}`) : undefined);
  await Promise.all(sockets.map((socket) => sendAll(socket, take)));
  const after = totalCpuMs(pids);
  return before === undefined || after === undefined ? undefined : ((after - before) * 1_000) / puts;
};

/** Plays the phases on a server of one member that has just started. */
const measure = async (server: Server): Promise<(number | undefined)[]> => {
  await using scope = new Scope();
  const cluster = scope.use(await createMembers(server, 1));
  await cluster.start();
  const [host = "", port = ""] = (cluster.endpoints[0] ?? "").split(":");
  const sockets = Array.from({ length: connections }, () => connect({ host, port: Number(port), noDelay: true }));
  await Promise.all(sockets.map((socket) => once(socket, "connect")));
  const found: (number | undefined)[] = [];
  for (const { puts } of phases) found.push(await cpuOf(pidsOf(cluster), sockets, puts));
  for (const socket of sockets) socket.destroy();
  return found;
};

const servers = availableServers();

/** Plays the phases on each server in turn, and prints the medians of the rounds. */
export const gateway = async (): Promise<void> => {
  console.log(
    `Puts of ${valueBytes} bytes as JSON, ${connections} at a time on kept connections, on one member that has just started; medians of ${rounds} rounds.\n`,
  );
  const samples = servers.map((): (number | undefined)[][] => []);
  for (let round = 0; round < rounds; round++)
    for (const [n, server] of servers.entries()) samples[n]?.push(await measure(server));
  const rows = phases.map(({ name }, phase) => {
    const [ours, theirs] = samples.map((taken) => median(taken.map((values) => values[phase] ?? NaN)));
    return [name, format(ours), format(theirs), ratio(ours, theirs)];
  });
  printTable(["CPU µs a put", "minietcd", "etcd", "ratio"], rows, 1);
};

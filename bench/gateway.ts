// `npm run bench -- gateway`: the CPU time of puts through the JSON gateway and of scrapes of /metrics, on minietcd and on etcd.

import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { totalCpuMs, whenIdle } from "./process-usage.js";
import { format, median, printTable, ratio } from "./report.js";
import { Scope } from "./scope.js";
import { findServers, createMembers, pidsOf, type Server } from "./servers.js";

const rounds = 3;
const connections = 8;
const valueBytes = 64;
const endOfHead = "\r\n\r\n";

const base64 = (text: string): string => Buffer.from(text).toString("base64");

/** Returns the text of a put over HTTP/1.1. */
const putText = (key: string): string => {
  const body = JSON.stringify({ key: base64(key), value: base64("v".repeat(valueBytes)) });
  return `POST /v3/kv/put HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${body.length}${endOfHead}${body}`;
};

const scrapeText = (): string => `GET /metrics HTTP/1.1\r\nHost: localhost${endOfHead}`;

/** Requests of one kind. */
interface Phase {
  readonly name: string;
  readonly requests: number;
  readonly textOf: (number: number) => string;
}

const putsOf = (name: string, requests: number): Phase => ({ name, requests, textOf: (n) => putText(`key-${n}`) });

/** The first requests to a server that has started and is idle, then further ones, until V8 has compiled the rest of the code for them. */
const phases: readonly Phase[] = [
  putsOf("first 2 000 puts", 2_000),
  putsOf("next 6 000 puts", 6_000),
  putsOf("next 20 000 puts", 20_000),
  { name: "2 000 scrapes of /metrics", requests: 2_000, textOf: scrapeText },
];

/** Tells whether a response is complete. Long responses of etcd have the chunked encoding. */
const isWhole = (text: string): boolean => {
  const end = text.indexOf(endOfHead);
  if (end === -1) return false;
  const length = /^content-length: (\d+)/im.exec(text.slice(0, end))?.[1];
  return length === undefined
    ? text.endsWith(`\r\n0${endOfHead}`)
    : text.length >= end + endOfHead.length + Number(length);
};

/** Sends one request after the other on one connection. @param take returns the next request; undefined after the last */
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
      if (!isWhole(text)) return;
      if (text.startsWith("HTTP/1.1 200 ")) send();
      else reject(new Error(`a request was answered by ${text}`));
    });
    socket.once("error", reject);
    send();
  });

/** Sends the requests of a phase. @returns the CPU time of the server per request, in microseconds */
const cpuOf = async (
  pids: readonly number[],
  sockets: readonly Socket[],
  { requests, textOf }: Phase,
): Promise<number | undefined> => {
  const before = totalCpuMs(pids);
  let next = 0;
  const take = (): string | undefined => (next < requests ? textOf(next++) : undefined);
  await Promise.all(sockets.map((socket) => sendAll(socket, take)));
  const after = totalCpuMs(pids);
  return before === undefined || after === undefined ? undefined : ((after - before) * 1_000) / requests;
};

/** Runs the phases on a new server of one member. */
const measure = async (server: Server): Promise<(number | undefined)[]> => {
  await using scope = new Scope();
  const cluster = scope.use(await createMembers(server, 1));
  await cluster.start();
  await whenIdle(pidsOf(cluster));
  const [host = "", port = ""] = (cluster.endpoints[0] ?? "").split(":");
  const sockets = Array.from({ length: connections }, () => connect({ host, port: Number(port), noDelay: true }));
  await Promise.all(sockets.map((socket) => once(socket, "connect")));
  const found: (number | undefined)[] = [];
  for (const phase of phases) found.push(await cpuOf(pidsOf(cluster), sockets, phase));
  for (const socket of sockets) socket.destroy();
  return found;
};

const servers = findServers();

/** Runs the phases on each server in turn, and prints the medians of the rounds. */
export const measureGateway = async (): Promise<void> => {
  console.log(
    `Puts of ${valueBytes} bytes as JSON, then scrapes, ${connections} at a time on kept connections, on one member that has been idle since its start; medians of ${rounds} rounds.\n`,
  );
  const samples = servers.map((): (number | undefined)[][] => []);
  for (let round = 0; round < rounds; round++)
    for (const [n, server] of servers.entries()) samples[n]?.push(await measure(server));
  const rows = phases.map(({ name }, phase) => {
    const [ours, theirs] = samples.map((taken) => median(taken.map((values) => values[phase] ?? NaN)));
    return [name, format(ours), format(theirs), ratio(ours, theirs)];
  });
  printTable(["CPU µs a request", "minietcd", "etcd", "ratio"], rows, 1);
};

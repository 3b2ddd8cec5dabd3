// Forwards HTTP requests to several servers in turn.

import { once } from "node:events";
import { request as send, type IncomingMessage, type RequestListener, type ServerResponse } from "node:http";
import { connect, type Socket } from "node:net";

/** Time that a server may take to accept a connection, and to begin its answer. */
const connectTimeoutMs = 1_000;
const answerTimeoutMs = 10_000;

/** Makes a listener that forwards each request to the next server. @param servers returns the current servers, as `host:port` */
export function forwardInTurn(servers: () => readonly string[]): RequestListener {
  let turn = 0;
  return (request, response) => {
    const all = servers();
    const first = turn++ % Math.max(all.length, 1);
    void forward([...all.slice(first), ...all.slice(0, first)], request, response);
  };
}

/** Forwards a request to the first server that accepts a connection; a request is never sent to a second server. */
async function forward(servers: readonly string[], request: IncomingMessage, response: ServerResponse): Promise<void> {
  for (const server of servers) {
    const socket = await open(server);
    if (socket === undefined) continue;
    passOn(socket, server, request, response);
    return;
  }
  response.writeHead(503).end("No service is there\n");
}

/** Connects to a server; undefined if it refuses the connection, or does not answer in time. */
async function open(server: string): Promise<Socket | undefined> {
  const [host = "", port = ""] = server.split(/:(?=\d+$)/);
  const socket = connect({ host, port: Number(port) });
  try {
    await once(socket, "connect", { signal: AbortSignal.timeout(connectTimeoutMs) });
    return socket;
  } catch {
    socket.destroy();
    return undefined;
  }
}

function passOn(socket: Socket, server: string, request: IncomingMessage, response: ServerResponse): void {
  const { method, url: path, headers } = request;
  const onward = send({
    ...{ method, path, headers: { ...headers, connection: "close", "x-forwarded-by": "minietcd example" } },
    createConnection: () => socket,
    timeout: answerTimeoutMs,
  });
  const fail = (status: number) => {
    if (response.headersSent) response.destroy();
    else response.writeHead(status).end(`${server} did not answer\n`);
  };
  onward.on("response", (answer) => {
    response.writeHead(answer.statusCode ?? 502, answer.headers);
    answer.pipe(response);
    answer.on("error", () => response.destroy());
  });
  onward.on("timeout", () => {
    fail(504);
    onward.destroy();
  });
  onward.on("error", () => fail(502));
  response.on("close", () => onward.destroy());
  request.pipe(onward);
}

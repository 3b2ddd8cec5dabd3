// Service discovery: a gateway, and services that come and go. `npm run example` asks which one to start, `npm run example -- 0`
// starts the gateway, `npm run example -- 1` starts the service srv1.
//
// The registry is made by hand, from a lease, a put and a watch: the example shows these calls, and each change of a key.
// `client.register()` and `client.resolve()` do it in a few lines, with the key layout of Go's client: docs/client.md.

import { createInterface } from "node:readline/promises";
import { Client } from "../../client/index.js";
import { cluster } from "../endpoints.js";
import { runGateway } from "./gateway.js";
import { runService } from "./service.js";

async function ask(question: string): Promise<string> {
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  try {
    return await terminal.question(question);
  } finally {
    terminal.close();
  }
}

const answer = process.argv[2] ?? (await ask("Who am I? 0: the gateway, any other number n: service srvN. "));
const number = Number(answer);
if (answer.trim() === "" || !Number.isInteger(number) || number < 0) {
  console.error(`"${answer}" is not a number from 0 on`);
  process.exit(2);
}

const stop = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => stop.abort());

const host = process.env["HOST"] ?? "127.0.0.1";
const port = process.env["PORT"];

const print = (line: string): void => console.log(line);

await using client = new Client(cluster);
if (number === 0) await runGateway(client, { host, port: Number(port ?? 8080), stop: stop.signal, print });
else await runService(client, `srv${number}`, { host, port: Number(port ?? 0), stop: stop.signal, print });

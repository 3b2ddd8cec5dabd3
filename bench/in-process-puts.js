// A process of `npm run bench -- testkit`: starts a server in memory and puts keys without a socket.
// node bench/in-process-puts.js minietcd <door of minietcd/testing> | antietcd <folder with the package>; prints JSON.

import { once } from "node:events";
import { createRequire } from "node:module";
import { createServer } from "node:net";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const puts = 20_000;
const putsAtOnce = 500;
/** Rounds after the first one in which V8 still compiles, and rounds after these. */
const nextRounds = 3;
const laterRounds = 15;

/** Functions that return the start of a server; the start returns a put of text and a close. */
const kits = {
  minietcd: async (door) => {
    const { startTestServer } = await import(pathToFileURL(door).href);
    return async () => {
      const server = await startTestServer();
      const { kv } = server.client();
      return { put: (key, value) => kv.put(key, value), close: () => server.close() };
    };
  },
  antietcd: (folder) => {
    const AntiEtcd = createRequire(join(folder, "package.json"))("antietcd");
    return async () => {
      const server = new AntiEtcd({ ip: "127.0.0.1", port: await freePort() });
      const start = performance.now();
      await server.start();
      if (!server.server.listening) await once(server.server, "listening");
      const startMs = performance.now() - start;
      const put = (key, value) => server.put({ key: base64(key), value: base64(value) });
      const close = async () => {
        await server.stop();
        server.server.close(); // stop() leaves the port open: findings/antietcd-stop.sh
      };
      return { put, close, startMs };
    };
  },
};

/** Encodes a key or value for etcd's JSON API, antietcd's default. */
const base64 = (text) => Buffer.from(text).toString("base64");

/** Finds a free port, as antietcd takes port 0 for 2379. */
const freePort = async () => {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
};

const rateOf = async (put) => {
  const start = performance.now();
  for (let n = 0; n < puts; n += putsAtOnce)
    await Promise.all(Array.from({ length: putsAtOnce }, (_, k) => put(`key${n + k}`, "value")));
  return puts / ((performance.now() - start) / 1_000);
};

const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];

const [kind, place] = process.argv.slice(2);
const begin = await kits[kind](place);
const startServer = async () => {
  const start = performance.now();
  const server = await begin();
  return { ...server, startMs: server.startMs ?? performance.now() - start };
};

const server = await startServer();
const medianRate = async (rounds) => {
  const rates = [];
  for (let round = 0; round < rounds; round++) rates.push(await rateOf(server.put));
  return median(rates);
};
const firstRate = await rateOf(server.put);
const nextRate = await medianRate(nextRounds);
const laterRate = await medianRate(laterRounds);
await server.close();

const starts = [];
for (let n = 0; n < 20; n++) {
  const next = await startServer();
  starts.push(next.startMs);
  await next.close();
}
console.log(JSON.stringify({ firstStartMs: server.startMs, startMs: median(starts), firstRate, nextRate, laterRate }));
process.exit(0); // connections of others may be open

import assert from "node:assert/strict";
import { connect, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { test, type TestContext } from "node:test";
import { maxConnectionWithoutRequestMs, maxHttpRequestMs } from "../../../server/base/index.js";
import { type AccessRules, openAccess } from "../../../server/http/access.js";
import { HttpServer } from "../../../server/http/http-server.js";
import { textPage } from "../../../server/http/page.js";
import type { Pages } from "../../../server/http/pages.js";
import { VirtualClock } from "../../../testing/virtual-clock.js";
import { eventually } from "../../support/deadline.js";
import { temporaryDirectory } from "../member/member-fixtures.js";

const helloPage: Pages = (method, url) => textPage(200, `${method} ${url}`);

/** Sets up a server on a socket; the first bytes of each of its connections have been read already. */
const setUp = async (t: TestContext, pages = helloPage, access: AccessRules = openAccess) => {
  const path = join(await temporaryDirectory(t), "s");
  const clock = new VirtualClock();
  const http = new HttpServer(pages, clock, access);
  let onServed: () => void = () => undefined;
  const listener = createServer((socket) => {
    socket.once("readable", () => {
      http.serve(socket, socket.read() as Buffer);
      onServed();
    });
  });
  await new Promise<void>((resolve) => listener.listen(path, resolve));
  t.after(() => {
    http.stop();
    listener.close();
  });
  const dial = async (first: string): Promise<Socket> => {
    const served = new Promise<void>((resolve) => (onServed = resolve));
    const socket = connect(path);
    t.after(() => socket.destroy());
    socket.write(first);
    await served;
    return socket;
  };
  return { http, clock, dial };
};

const get = (path: string, fields = ""): string => `GET ${path} HTTP/1.1\r\nHost: x\r\n${fields}\r\n`;

/** Resolves with the first answer on a connection. */
const answer = (socket: Socket): Promise<string> =>
  new Promise((resolve) => {
    let seen = "";
    const onData = (chunk: Buffer): void => {
      seen += chunk.toString();
      const length = /content-length: (\d+)\r\n/i.exec(seen)?.[1];
      if (length === undefined || seen.length < seen.indexOf("\r\n\r\n") + 4 + Number(length)) return;
      socket.removeListener("data", onData);
      resolve(seen);
    };
    socket.on("data", onData);
  });

const whenClosed = (socket: Socket): Promise<void> => new Promise((resolve) => socket.once("close", () => resolve()));

test("bytes that were read before the server got the connection are part of the request", async (t) => {
  const { dial } = await setUp(t);
  const socket = await dial("GET /a HT");
  socket.write("TP/1.1\r\nHost: x\r\n\r\n");
  assert.match(await answer(socket), /^HTTP\/1\.1 200 OK\r\n[^]*\r\n\r\nGET \/a\n$/);
});

test("a connection carries several requests, and pages of all origins may read the answers", async (t) => {
  const { dial } = await setUp(t);
  const socket = await dial(get("/a"));
  assert.match(await answer(socket), /Access-Control-Allow-Origin: \*\r\n[^]*GET \/a\n$/);
  socket.write(get("/b"));
  assert.match(await answer(socket), /GET \/b\n$/);
});

test("a target may be a whole URL, and have escapes", async (t) => {
  const { dial } = await setUp(t);
  for (const [target, shown] of [
    ["http://proxied/a?b=%41", "/a?b=%41"],
    ["/%61", "/a"],
    ["/a%3Fb", "/a%3Fb"],
    ["/%ff", "/%ff"],
  ] as const)
    assert.ok((await answer(await dial(get(target)))).endsWith(`GET ${shown}\n`), target);
});

test("a path with empty parts or dots is sent to another one", async (t) => {
  const { dial } = await setUp(t);
  for (const [target, location] of [
    ["//a?b", "/a?b"],
    ["/a/./../b/", "/b/"],
    ["http://x", "/"],
    ["//a<b>", "/a%3Cb%3E"],
  ] as const)
    assert.ok((await answer(await dial(get(target)))).includes(`\r\nLocation: ${location}\r\n`), target);
});

test("OPTIONS * is answered; a target without a path is refused after the earlier answers", async (t) => {
  const { dial } = await setUp(t);
  assert.match(await answer(await dial("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n")), /^HTTP\/1\.1 200 /);
  assert.match(await text(await dial(get("*"))), /^HTTP\/1\.1 400 /);
  for (const target of ["/%zz", "http://[::1/a"])
    assert.match(await text(await dial(get("/a") + get(target))), /GET \/a\nHTTP\/1\.1 400 [^]*400 Bad Request$/);
});

test("the host of a whole URL must be on the list of hosts", async (t) => {
  const { dial } = await setUp(t, undefined, { origins: [], hosts: ["listed"] });
  assert.match(await answer(await dial(get("http://listed:1/a"))), /^HTTP\/1\.1 200 /);
  assert.match(await answer(await dial(get("http://other/a"))), /^HTTP\/1\.1 421 /);
});

test("a client that never completes a request is disconnected, even if it keeps sending", async (t) => {
  const { clock, dial } = await setUp(t);
  const socket = await dial("GET /a HTTP/1.1\r\n");
  const gone = whenClosed(socket);
  socket.on("error", () => undefined);
  clock.advance(maxHttpRequestMs - 1);
  socket.write("a: b\r\n");
  clock.advance(1);
  await gone;
});

test("a connection without another request is closed", async (t) => {
  const { clock, dial } = await setUp(t);
  const socket = await dial(get("/a"));
  await answer(socket);
  clock.advance(maxConnectionWithoutRequestMs - 1);
  socket.write(get("/b"));
  await answer(socket); // the time without requests starts again here
  clock.advance(maxConnectionWithoutRequestMs - 1);
  assert.equal(socket.destroyed, false);
  clock.advance(1);
  await whenClosed(socket);
  assert.equal(clock.pendingTimers, 0);
});

test("draining closes idle connections at once, and others with their answer", async (t) => {
  let onAsked: (reply: () => void) => void = () => undefined;
  const asked = new Promise<() => void>((resolve) => (onAsked = resolve));
  const waitForTest: Pages = () => new Promise((resolve) => onAsked(() => resolve(textPage(200, "late"))));
  const { http, dial } = await setUp(t, waitForTest);
  const idle = await dial("GET /");
  const busy = await dial(get("/a"));
  const all = text(busy);
  const reply = await asked;
  const idleIsGone = whenClosed(idle);
  const drained = http.drain();
  await idleIsGone;
  reply();
  assert.match(await all, /Connection: close\r\n[^]*late\n$/);
  await drained;
});

test("pipelined requests begin in order, each once the previous one is answered", async (t) => {
  const begun: string[] = [];
  const answers: (() => void)[] = [];
  const { dial } = await setUp(t, (_method, url) => {
    begun.push(url);
    return new Promise((resolve) => answers.push(() => resolve(textPage(200, url))));
  });
  const socket = await dial(get("/a") + get("/b") + get("/c"));
  let seen = "";
  socket.on("data", (chunk: Buffer) => (seen += chunk.toString()));
  for (const path of ["/a", "/b", "/c"]) {
    await eventually(5_000, `${path} begins`, () => begun.includes(path) || undefined);
    assert.equal(begun.at(-1), path);
    answers.shift()?.();
    await eventually(5_000, `${path} is answered`, () => seen.endsWith(`${path}\n`) || undefined);
  }
  assert.deepEqual(begun, ["/a", "/b", "/c"]);
});

test("pipelined requests do not begin after their client has disconnected", async (t) => {
  const begun: string[] = [];
  let end: () => void = () => undefined;
  const { dial } = await setUp(t, (_method, url) => {
    begun.push(url);
    return new Promise((resolve) => (end = () => resolve(textPage(200, url))));
  });
  const socket = await dial(get("/a") + get("/b"));
  await eventually(5_000, "the first begins", () => begun.length > 0 || undefined);
  socket.destroy();
  await whenClosed(socket);
  end();
  await new Promise(setImmediate);
  assert.deepEqual(begun, ["/a"]);
});

test("bytes that are not HTTP are refused after the answers to earlier requests", async (t) => {
  const answers: (() => void)[] = [];
  const { dial } = await setUp(t, (_method, url) => {
    return new Promise((resolve) => answers.push(() => resolve(textPage(200, url))));
  });
  const socket = await dial(`${get("/a")}${get("/b")}POST /c HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n`);
  const all = text(socket);
  for (const path of ["/a", "/b"]) (await eventually(5_000, `${path} begins`, () => answers.shift()))();
  const statuses = [...(await all).matchAll(/HTTP\/1\.1 (\d+)|(\/[abc])\n/g)].map(([, status, path]) => status ?? path);
  assert.deepEqual(statuses, ["200", "/a", "200", "/b", "400"]);
});

test("a request with a malformed body is refused, and so are too large header fields", async (t) => {
  const { dial } = await setUp(t, () => new Promise(() => undefined));
  const chunked = "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n";
  assert.match(await text(await dial(chunked)), /^HTTP\/1\.1 400 Bad Request\r\n[^]*\r\n\r\n400 Bad Request$/);
  const large = await text(await dial(get("/a", `A: ${"a".repeat(20_000)}\r\n`)));
  assert.match(large, /^HTTP\/1\.1 431 /);
});

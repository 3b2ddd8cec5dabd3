import assert from "node:assert/strict";
import { connect, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { test, type TestContext } from "node:test";
import { Client, credentials, status, type ServiceError } from "@grpc/grpc-js";
import {
  PutRequest,
  PutResponse,
  RangeRequest,
  RangeResponse,
  StatusRequest,
  StatusResponse,
} from "../../../proto/index.js";
import { Member } from "../../../server/member/member.js";
import { MetricsPort } from "../../../server/member/metrics-port.js";
import { Replica } from "../../../server/member/replica.js";
import { quietEnvironment, singleMember, temporaryDirectory } from "./member-fixtures.js";

interface Codec<T> {
  encode(message: T): { finish(): Uint8Array };
  decode(bytes: Uint8Array): T;
  fromPartial(part: object): T;
}

const clientOf = (t: TestContext, directory: string) => {
  const client = new Client(`unix:${join(directory, "client")}`, credentials.createInsecure());
  t.after(() => client.close());
  return <Request, Response>(path: string, request: Codec<Request>, part: object, response: Codec<Response>) =>
    new Promise<Response>((resolve, reject) =>
      client.makeUnaryRequest(
        path,
        (message: Request) => Buffer.from(request.encode(message).finish()),
        (bytes) => response.decode(bytes),
        request.fromPartial(part),
        (error, answer) => (error ? reject(error) : resolve(answer as Response)),
      ),
    );
};

const key = Buffer.from("k");

/** Connects as soon as the socket exists. */
const waitForConnection = async (path: string): Promise<Socket> => {
  for (;;) {
    const socket = connect(path);
    const isConnected = await new Promise<boolean>((resolve) => {
      socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
    });
    if (isConnected) return socket;
  }
};

test("a member alone takes writes, keeps them over a restart and counts its terms as etcd does", async (t) => {
  const directory = await temporaryDirectory(t);
  const config = singleMember(directory);
  const call = clientOf(t, directory);
  for (const [start, term] of [2n, 3n].entries()) {
    const member = await Member.start(config, quietEnvironment());
    await member.whenReady;
    const { header } = await call("/etcdserverpb.KV/Put", PutRequest, { key, value: key }, PutResponse);
    assert.deepEqual([header?.revision, header?.raftTerm, header?.memberId], [BigInt(start) + 2n, term, member.id]);
    await Promise.all([member.stop(), member.stop()]);
    assert.equal(await member.whenStopped, undefined);
  }
});

test("a member with --max-request-bytes=1 starts and answers reads; writes of its clients are refused", async (t) => {
  const directory = await temporaryDirectory(t);
  const call = clientOf(t, directory);
  const member = await Member.start(singleMember(directory, { maxRequestBytes: "1" }), quietEnvironment());
  t.after(() => member.stop());
  await member.whenReady;
  await assert.rejects(call("/etcdserverpb.KV/Put", PutRequest, { key, value: key }, PutResponse), {
    code: status.INVALID_ARGUMENT,
    details: "etcdserver: request is too large",
  });
  const { kvs } = await call("/etcdserverpb.KV/Range", RangeRequest, { key }, RangeResponse);
  assert.deepEqual(kvs, []);
});

test("a connection that arrives while the data is read is served, not closed", async (t) => {
  const directory = await temporaryDirectory(t);
  const started = Member.start(singleMember(directory), quietEnvironment());
  const socket = await waitForConnection(join(directory, "client"));
  socket.write("GET /version HTTP/1.1\r\nHost: member\r\nConnection: close\r\n\r\n");
  const answer = text(socket);
  const member = await started;
  t.after(() => member.stop());
  assert.match(await answer, /^HTTP\/1\.1 200 OK\r\n/);
});

test("a silent connection does not delay a stop", async (t) => {
  const directory = await temporaryDirectory(t);
  const member = await Member.start(singleMember(directory), quietEnvironment());
  await member.whenReady;
  const sockets = ["client", "peer"].map((name) => connect(join(directory, name)));
  await Promise.all(sockets.map((socket) => new Promise((resolve) => socket.once("connect", resolve))));
  await member.stop();
  assert.equal(await member.whenStopped, undefined);
});

test("a member that is stopped before it has joined ends, and rejects pending waits for it", async (t) => {
  const directory = await temporaryDirectory(t);
  const peer = `unix://${join(directory, "peer")}`;
  const config = singleMember(directory, {
    initialCluster: `default=${peer},other=unix://${join(directory, "other")}`,
  });
  const member = await Member.start(config, quietEnvironment());
  const waiting = assert.rejects(member.whenReady, /stop/);
  await member.stop();
  await waiting;
  assert.equal(await member.whenStopped, undefined);
});

test("a start that fails leaves nothing open", async (t) => {
  const directory = await temporaryDirectory(t);
  const config = singleMember(directory, { initialClusterState: "existing" });
  await assert.rejects(Member.start(config, quietEnvironment()), /"existing"/);
  const member = await Member.start(singleMember(directory), quietEnvironment()); // sockets and lock are free again
  await member.whenReady;
  await member.stop();
});

test("a failure while the metrics port opens stops the member, and is logged as the reason", async (t) => {
  const directory = await temporaryDirectory(t);
  const environment = quietEnvironment();
  const failure = new Error("the disk has failed");
  const announce = t.mock.method(Replica.prototype, "announce");
  const openPort = MetricsPort.open.bind(MetricsPort);
  t.mock.method(MetricsPort, "open", async (...given: Parameters<typeof openPort>) => {
    const port = await openPort(...given);
    (announce.mock.calls[0]?.this as Replica).onFailure(failure);
    return port;
  });
  const member = await Member.start(singleMember(directory), environment);
  const notReady = assert.rejects(member.whenReady);
  assert.equal(await member.whenStopped, failure);
  await notReady;
  const reasons = environment.lines.filter(({ msg }) => msg === "fatal: stopping member").map(({ error }) => error);
  assert.equal(reasons.length, 1);
  assert.match(JSON.stringify(reasons), /the disk has failed/);
});

test("a socket in use is refused, a leftover one is replaced", async (t) => {
  const directory = await temporaryDirectory(t);
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(join(directory, "client"), resolve));
  await assert.rejects(Member.start(singleMember(directory), quietEnvironment()), /address already in use/);
  await new Promise((resolve) => other.close(resolve));
});

test("a member whose store cannot be written answers serializable reads and takes no part in consensus", async (t) => {
  const directory = await temporaryDirectory(t);
  const environment = quietEnvironment();
  const member = await Member.start(singleMember(directory), environment);
  await member.whenReady;
  const call = clientOf(t, directory);
  await call("/etcdserverpb.KV/Put", PutRequest, { key, value: key }, PutResponse);
  // The member's own store, whose disk fails.
  interface Store {
    readonly contents: { readonly backend: { batch: () => unknown } };
  }
  const { store } = (member as unknown as { replica: { store: Store } }).replica;
  const failing = { put: () => undefined, delete: () => undefined, write: () => Promise.reject(new Error("EIO")) };
  store.contents.backend.batch = () => failing;
  let acknowledged = 1n;
  while (!environment.lines.some(({ msg }) => msg.startsWith("the store cannot be written")))
    await call("/etcdserverpb.KV/Put", PutRequest, { key, value: key }, PutResponse).then(
      () => acknowledged++, // durable in the log
      () => undefined,
    );
  const isServerStopped = (error: ServiceError): boolean =>
    error.code === status.UNAVAILABLE && error.details === "etcdserver: server stopped";
  await assert.rejects(call("/etcdserverpb.KV/Put", PutRequest, { key, value: key }, PutResponse), isServerStopped);
  await assert.rejects(call("/etcdserverpb.KV/Range", RangeRequest, { key }, RangeResponse), isServerStopped);
  const { kvs } = await call("/etcdserverpb.KV/Range", RangeRequest, { key, serializable: true }, RangeResponse);
  assert.ok((kvs[0]?.version ?? 0n) >= acknowledged);
  const { leader, errors } = await call("/etcdserverpb.Maintenance/Status", StatusRequest, {}, StatusResponse);
  assert.deepEqual([leader, errors], [0n, ["etcdserver: no leader"]]);
  await member.stop();

  const again = await Member.start(singleMember(directory), quietEnvironment()); // the log has the entries that the store lost
  await again.whenReady;
  const after = await call("/etcdserverpb.KV/Range", RangeRequest, { key }, RangeResponse);
  assert.ok((after.kvs[0]?.version ?? 0n) >= acknowledged);
  await again.stop();
});

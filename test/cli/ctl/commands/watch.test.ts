// minietcdctl watch: its requests, and how it resumes when its server is lost. Its outputs are compared with etcdctl's in
// test/interop/etcdctl.

import assert from "node:assert/strict";
import { PassThrough, Readable } from "node:stream";
import { describe, test } from "node:test";
import { runProgram } from "../../../../cli/ctl/program.js";
import { Watches } from "../../../../cli/ctl/commands/watch-answers.js";
import { keysFromEnv, watchLineRequest, watchRequest } from "../../../../cli/ctl/commands/watch-request.js";
import { ConnectError, type Client } from "../../../../client/index.js";
import type { WatchRequest as WireRequest, WatchResponse } from "../../../../proto/index.js";
import { FakeServer, type FakeStream } from "../../../client/fake-server.js";
import { eventually } from "../../../support/deadline.js";

const utf8 = (text: string) => new TextEncoder().encode(text);
const noFlags = { interactive: false, prefix: false, rev: 0, prevKv: false, progressNotify: false };
const assertRefused = (request: () => unknown, message: string) => assert.throws(request, { exitCode: 128, message });

describe("a watch request is", () => {
  test("a key, a range or a prefix, from the arguments or from the environment", () => {
    const keysOf = (positional: string[], env: string[] = [], prefix = false) => {
      const { key, options } = watchRequest({ ...noFlags, prefix }, { positional }, env, utf8);
      return [key, options.rangeEnd, options.prefix];
    };
    assert.deepEqual(keysOf(["a"]), [utf8("a"), undefined, false]);
    assert.deepEqual(keysOf(["a", "b"]), [utf8("a"), utf8("b"), false]);
    assert.deepEqual(keysOf(["a"], [], true), [utf8("a"), undefined, true]);
    assert.deepEqual(keysOf([], ["c", "d"]), [utf8("c"), utf8("d"), false]);
    assert.deepEqual(keysOf([""]), [utf8(""), undefined, false]);
  });

  test("followed by a program to run, after --", () => {
    const args = { positional: ["a"], afterDashes: ["sh", "-c", "--"] };
    assert.deepEqual(watchRequest(noFlags, args, [], utf8).exec, ["sh", "-c", "--"]);
    assert.deepEqual(watchRequest(noFlags, { positional: ["a"] }, [], utf8).exec, []);
  });

  test("refused if its arguments contradict one another", () => {
    const request = (positional: string[], env: string[] = [], afterDashes?: string[]) =>
      watchRequest({ ...noFlags, prefix: true }, { positional, afterDashes }, env, utf8);
    assertRefused(() => request([]), "bad number of arguments");
    assertRefused(() => request(["a", "b", "c"]), "bad number of arguments");
    assertRefused(() => request(["a"], ["b"]), "bad number of arguments (found conflicting environment key)");
    assertRefused(() => request(["a"], [], []), "bad number of arguments (found separator --, but no commands)");
    assertRefused(() => request(["a", "b"]), "`range_end` and `--prefix` are mutually exclusive");
    const env = { ETCDCTL_WATCH_RANGE_END: "z" };
    assertRefused(() => keysFromEnv(env), 'ETCDCTL_WATCH_KEY is empty but got ETCDCTL_WATCH_RANGE_END="z"');
  });

  test("the same in a line of input as on the command line", () => {
    const { key, options, exec } = watchLineRequest(["--rev", "5", "a", "--prev-kv", "--", "echo"], [], utf8);
    assert.deepEqual([key, options.startRevision, options.prevKv, exec], [utf8("a"), 5, true, ["echo"]]);
    assertRefused(() => watchLineRequest(["a", "--nope"], [], utf8), "unknown flag: --nope");
  });
});

type Stream = FakeStream<WireRequest, Partial<WatchResponse>>;

async function createRequest(stream: Stream) {
  const { requestUnion } = await stream.request();
  assert.equal(requestUnion?.$case, "createRequest");
  return requestUnion.value;
}

const header = (revision: bigint) => ({ clusterId: 1n, memberId: 2n, revision, raftTerm: 3n });

const putOf = (key: string, value: string, modRevision: bigint) => ({
  type: 0 as const,
  kv: { key: utf8(key), value: utf8(value), createRevision: 1n, modRevision, version: 1n, lease: 0n },
  prevKv: undefined,
});

/** Starts a program, and records its output. */
function start(words: readonly string[]) {
  const stdin = new PassThrough();
  const written = { stdout: "", stderr: "" };
  const ended = runProgram(words, {
    env: { PATH: process.env["PATH"] },
    stdin,
    print: (text) => (written.stdout += Buffer.from(text as Uint8Array).toString()),
    note: (line) => (written.stderr += `${line}\n`),
  });
  return { stdin, written, ended };
}

describe("a running watch", () => {
  test("continues after the last change when its server loses the leader, and ends when the server cancels it", async () => {
    await using server = await FakeServer.start();
    const { written, ended } = start(["--endpoints", server.endpoint, "watch", "k"]);
    const stream: Stream = await server.stream();
    assert.equal((await createRequest(stream)).startRevision, 0n);
    assert.equal(stream.metadata.get("hasleader"), "true");
    stream.send({ header: header(6n), created: true });
    stream.send({ header: header(7n), events: [putOf("k", "1", 7n)] });
    stream.fail({ code: 14, details: "etcdserver: no leader" });
    const again: Stream = await server.stream();
    assert.equal((await createRequest(again)).startRevision, 8n);
    again.send({ header: header(9n), created: true });
    again.send({ header: header(0n), canceled: true, compactRevision: 9n });
    assert.equal(await ended, 5);
    assert.equal(written.stdout, "PUT\nk\n1\n");
    const compacted = "watch was canceled (etcdserver: mvcc: required revision has been compacted)\n";
    assert.equal(written.stderr, `${compacted}Error: watch is canceled by the server\n`);
  });

  test("without an event so far continues after the revision of its creation", async () => {
    await using server = await FakeServer.start();
    const { ended } = start(["--endpoints", server.endpoint, "watch", "k"]);
    const stream: Stream = await server.stream();
    stream.send({ header: header(6n), created: true });
    // Older etcd servers answer a progress request with revisions whose events have not been sent to the watch.
    stream.send({ header: header(8n), watchId: -1n });
    stream.fail({ code: 14, details: "etcdserver: no leader" });
    const again: Stream = await server.stream();
    assert.equal((await createRequest(again)).startRevision, 7n);
    again.send({ header: header(9n), created: true, canceled: true, cancelReason: "because" });
    assert.equal(await ended, 5);
  });

  test("of history without an event so far starts again at its first revision", async () => {
    await using server = await FakeServer.start();
    const { ended } = start(["--endpoints", server.endpoint, "watch", "k", "--rev", "3"]);
    const stream: Stream = await server.stream();
    stream.send({ header: header(6n), created: true });
    stream.fail({ code: 14, details: "etcdserver: no leader" });
    const again: Stream = await server.stream();
    assert.equal((await createRequest(again)).startRevision, 3n);
    again.send({ header: header(9n), created: true, canceled: true, cancelReason: "because" });
    assert.equal(await ended, 5);
  });

  test("continues after the revision of a progress notice", async () => {
    await using server = await FakeServer.start();
    const { written, ended } = start(["--endpoints", server.endpoint, "watch", "k", "--progress-notify"]);
    const stream: Stream = await server.stream();
    assert.equal((await createRequest(stream)).progressNotify, true);
    stream.send({ header: header(6n), created: true });
    stream.send({ header: header(20n) });
    stream.fail({ code: 14, details: "etcdserver: no leader" });
    const again: Stream = await server.stream();
    assert.equal((await createRequest(again)).startRevision, 21n);
    again.send({ header: header(20n), created: true, canceled: true, cancelReason: "because" });
    assert.equal(await ended, 5);
    assert.equal(written.stdout, "progress notify: 20\n");
  });

  test("without a server prints the error of every command", async () => {
    const { written, ended } = start(["--endpoints", "127.0.0.1:1", "--dial-timeout=50ms", "watch", "k"]);
    assert.equal(await ended, 1);
    const warning = /^Warning: cannot connect to 127\.0\.0\.1:1: .+\nError: context deadline exceeded\n$/;
    assert.match(written.stderr, warning);
  });

  test("runs a program for each change, and ends with the first that fails", async () => {
    await using server = await FakeServer.start();
    const script =
      'echo "$ETCD_WATCH_REVISION $ETCD_WATCH_EVENT_TYPE $ETCD_WATCH_KEY $ETCD_WATCH_VALUE"; test $ETCD_WATCH_VALUE = \'"1"\'';
    const { written, ended } = start(["--endpoints", server.endpoint, "watch", "k", "--", "sh", "-c", script]);
    const stream: Stream = await server.stream();
    stream.send({ header: header(6n), created: true });
    stream.send({ header: header(9n), events: [putOf("k", "1", 7n), putOf("k", "2", 8n), putOf("k", "1", 9n)] });
    assert.equal(await ended, 1);
    assert.equal(written.stdout, 'PUT\nk\n1\nPUT\nk\n2\nPUT\nk\n1\n9 "PUT" "k" "1"\n9 "PUT" "k" "2"\n');
    assert.match(written.stderr, /^command \["sh" "-c" ".*"\] error \(exit status 1\)\n$/);
  });
});

test("a change too large for a program's environment is an error, like every other failure to run the program", async () => {
  await using server = await FakeServer.start();
  const { written, ended } = start(["--endpoints", server.endpoint, "watch", "k", "--", "/bin/true"]);
  const stream: Stream = await server.stream();
  stream.send({ header: header(6n), created: true });
  stream.send({ header: header(7n), events: [putOf("k", "x".repeat(1_000_000), 7n)] });
  assert.equal(await ended, 1);
  assert.equal(written.stderr, 'command ["/bin/true"] error (fork/exec /bin/true: argument list too long)\n');
});

test("a watch requested without a running server waits for one, if a server was connected before", async () => {
  const response = { header: { clusterId: 1n, memberId: 2n, revision: 3, raftTerm: 4 }, events: [] };
  const unreachable = new ConnectError(new Map([["a:1", "no"]]));
  const watchThat = (whenReady: () => Promise<number>) => ({
    watch: () => ({ whenReady, responses: () => Readable.from([response]) }),
  });
  const client = watchThat(() => Promise.reject(unreachable)) as unknown as Client;
  const watches = new Watches(client);
  const answersOf = () => watches.answers(watchRequest(noFlags, { positional: ["a"] }, [], utf8)).next();
  await assert.rejects(answersOf(), unreachable);
  Object.assign(
    client,
    watchThat(() => Promise.resolve(1)),
  );
  await answersOf();
  Object.assign(
    client,
    watchThat(() => Promise.reject(unreachable)),
  );
  assert.deepEqual((await answersOf()).value?.header, response.header);
});

test("watch -i runs the request of each line until the input ends", async () => {
  await using server = await FakeServer.start();
  const { stdin, written, ended } = start(["--endpoints", server.endpoint, "watch", "-i"]);
  stdin.write("look a\n\nwatch\nwatch a b --prefix\nwatch a --rev 5\n");
  const stream: Stream = await server.stream();
  assert.equal((await createRequest(stream)).startRevision, 5n);
  stdin.write("progress\n");
  assert.equal((await stream.request()).requestUnion?.$case, "progressRequest");
  stream.send({ header: header(6n), created: true });
  stream.send({ header: header(6n), watchId: -1n });
  await eventually(20_000, "a line", () => written.stdout.includes("\n") || undefined);
  stdin.end();
  assert.equal(await ended, 3);
  assert.equal(written.stdout, "progress notify: 6\n");
  assert.deepEqual(written.stderr.split("\n").slice(0, -1), [
    "Invalid command look a (only support watch)",
    "Invalid command:  (watch and progress supported)",
    "Invalid command watch (command type or key is not provided)",
    "Invalid command watch a b --prefix (`range_end` and `--prefix` are mutually exclusive)",
    "Error: error reading watch request line: EOF",
  ]);
});

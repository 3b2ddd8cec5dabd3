// The requests of Patroni's etcd3 store, which uses JSON and the gateway, sent by curl over mutual TLS.
// The dialogue for a change of PostgreSQL's leader is the same on etcd 3.7 and minietcd.

import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { promisify } from "node:util";
import { endWithTests } from "../support/child-processes.js";
import { within } from "../support/deadline.js";
import { type EtcdCluster, type ServerKind, startEtcdCluster } from "../support/etcd-process.js";
import { scaleMs } from "../support/machine-speed.js";
import { type MutualTls, mutualTls } from "../support/mutual-tls.js";
import { tempFolder } from "../support/temp-folder.js";

const requestTimeoutMs = 20_000;

type Json = Readonly<Record<string, unknown>>;

const base64 = (text: string): string => Buffer.from(text).toString("base64");

/** Fields of an answer that differ between clusters. */
const masked = new Set(["cluster_id", "member_id", "raft_term", "ID", "lease", "clientURLs", "peerURLs"]);

const normalize = (answer: string): unknown =>
  JSON.parse(answer, (name, value: unknown) => (masked.has(name) ? "…" : value));

/** One dialogue with a member, and its record. */
class Dialogue {
  readonly record: unknown[] = [];

  constructor(
    private readonly cluster: EtcdCluster,
    private readonly files: MutualTls,
  ) {}

  private arguments(path: string, body?: Json): string[] {
    const { ca, client } = this.files;
    const tls = ["--cacert", ca, "--cert", client.cert, "--key", client.key];
    const posted = body && ["-H", "Content-Type: application/json", "-d", JSON.stringify(body)];
    return ["-sS", "--no-buffer", ...tls, ...(posted ?? []), `${this.cluster.member(0).endpoint}${path}`];
  }

  /**
   * Sends a request, and records status and answer.
   * @returns the answer
   */
  async ask(path: string, body?: Json): Promise<Json> {
    const { PATH } = process.env;
    const options = { env: { PATH }, timeout: scaleMs(requestTimeoutMs) };
    const { stdout } = await promisify(execFile)(
      "curl",
      [...this.arguments(path, body), "-w", "\n%{http_code}"],
      options,
    );
    const end = stdout.lastIndexOf("\n");
    const answer = stdout.slice(0, end);
    this.record.push([path, stdout.slice(end + 1), normalize(answer)]);
    return JSON.parse(answer) as Json;
  }

  /** Watches like Patroni, while `change` makes changes. Records the lines up to the one that contains `last`. */
  async watch(request: Json, last: string, change: () => Promise<void>): Promise<void> {
    const { PATH } = process.env;
    const curl = endWithTests(
      spawn("curl", this.arguments("/v3/watch", { create_request: request }), { env: { PATH } }),
    );
    const recorded: unknown[] = [];
    try {
      const lines = createInterface({ input: curl.stdout })[Symbol.asyncIterator]();
      const nextLine = async (): Promise<string> => {
        const line = await within(requestTimeoutMs, "an event", lines.next());
        assert.ok(line.done !== true, "the watch ended");
        recorded.push(normalize(line.value));
        return line.value;
      };
      assert.match(await nextLine(), /"created":true/);
      await change();
      while (!(await nextLine()).includes(last));
    } finally {
      curl.kill();
    }
    this.record.push(["watch", recorded]);
  }
}

const folder = "/service/batman/";
const folderEnd = "/service/batman0";
const leader = base64(`${folder}leader`);

/** Compares of Patroni: a key must be absent, or unchanged. */
const compareCreated = (key: string, revision: string): Json => ({ target: "CREATE", create_revision: revision, key });
const compareUnchanged = (key: string, revision: string): Json => ({ target: "MOD", mod_revision: revision, key });

/** Plays two members of a PostgreSQL cluster: the first leads and resigns, the second takes over. */
const changeOfLeader = async (kind: ServerKind): Promise<unknown[]> => {
  await using place = await tempFolder();
  const files = await mutualTls(place.path);
  await using cluster = await startEtcdCluster({ kind, tls: files.tls, flags: files.flags });
  const dialogue = new Dialogue(cluster, files);
  const ask = dialogue.ask.bind(dialogue);
  const put = (key: string, value: string, more: Json = {}): Promise<Json> =>
    ask("/v3/kv/put", { key: base64(folder + key), value: base64(value), ...more });
  const acquire = (name: string, lease: unknown): Promise<Json> =>
    ask("/v3/kv/txn", {
      compare: [compareCreated(leader, "0")],
      success: [{ request_put: { key: leader, value: base64(name), lease } }],
    });
  const all = { key: base64(folder), range_end: base64(folderEnd) };

  await ask("/v3/cluster/member/list", {});
  await ask("/v3/kv/range", { ...all, serializable: true });
  const { ID: first } = await ask("/v3/lease/grant", { TTL: 30 });
  const { ID: second } = await ask("/v3/lease/grant", { TTL: 30 });
  await put("members/one", '{"role":"replica"}', { lease: first });
  await put("members/two", '{"role":"replica"}', { lease: second });
  const key = base64(`${folder}initialize`);
  const initialize = { compare: [compareCreated(key, "0")], success: [{ request_put: { key, value: base64("7") } }] };
  await ask("/v3/kv/txn", initialize);
  await ask("/v3/kv/txn", initialize);
  await acquire("one", first);
  await acquire("two", second);
  const { header } = (await ask("/v3/kv/range", { ...all, serializable: true })) as { header: { revision: string } };
  const start = String(Number(header.revision) + 1);

  await dialogue.watch({ ...all, start_revision: start, filters: [] }, base64("two"), async () => {
    await ask("/v3/lease/keepalive", { ID: first });
    await put("status", '{"optime":1}');
    const change = { key: base64(`${folder}config`), value: base64("{}") };
    await ask("/v3/kv/txn", { compare: [compareUnchanged(change.key, "0")], success: [{ request_put: change }] });
    await ask("/v3/kv/txn", { compare: [compareUnchanged(change.key, "1")], success: [{ request_put: change }] });
    await ask("/v3/kv/txn", {
      compare: [{ target: "VALUE", value: base64("one"), key: leader }],
      success: [{ request_delete_range: { key: leader } }],
      failure: [{ request_range: { key: leader } }],
    });
    await acquire("two", second);
  });

  await ask("/v3/kv/deleterange", { key: base64(`${folder}status`) });
  await ask("/v3/kv/deleterange", all);
  await ask("/v3/lease/revoke", { ID: second });
  await ask("/v3/lease/keepalive", { ID: second });
  await put("leader", "two", { lease: second });
  const { etcdserver, etcdcluster } = await ask("/version");
  assert.match(`${String(etcdserver)} ${String(etcdcluster)}`, /^3\.\d+\.\d+ (3\.\d+\.\d+|not_decided)$/);
  dialogue.record.pop(); // the cluster's version is decided a moment after the start, so this answer varies
  return dialogue.record;
};

test("a change of leader by Patroni's requests is the same dialogue on etcd and on minietcd", async () => {
  const [expected, ours] = await Promise.all([changeOfLeader("etcd-3.7"), changeOfLeader("minietcd")]);
  assert.deepEqual(ours, expected);
});

// The same requests over HTTP/1.1 to etcd 3.7 and minietcd: the answers are equal, including header fields.

import assert from "node:assert/strict";
import { request, type IncomingMessage } from "node:http";
import { test } from "node:test";
import { eventually } from "../support/deadline.js";
import { startEtcdCluster, type EtcdMember, type ServerKind } from "../support/etcd-process.js";

const ask = (member: EtcdMember, method: string, path: string): Promise<string> =>
  new Promise((resolve, reject) => {
    const call = request({ host: "127.0.0.1", port: member.endpoint.split(":")[1], method, path, agent: false });
    call.on("error", reject);
    call.on("response", (response: IncomingMessage) => {
      response
        .setEncoding("utf8")
        .toArray()
        .then((pieces: string[]) => resolve(show(response, pieces.join(""))), reject);
    });
    call.end();
  });

/** Fields that do not depend on the server: the time, and the kind of connection of Node's client. */
const passing = new Set(["date", "connection", "keep-alive"]);

/** Shows status, fields and body. Versions are masked, and the checks of one page sorted, because etcd lists them in random order. */
const show = ({ statusCode, headers }: IncomingMessage, body: string): string => {
  const isVersion = headers["content-type"] === "application/json";
  const lines = Object.entries(headers)
    .filter(([name]) => !passing.has(name) && !(isVersion && name === "content-length"))
    .map(([name, value]) => `${name}: ${String(value)}`)
    .sort();
  const checks = body.split(/(?<=\n)/).sort();
  return [statusCode, ...lines, checks.join("").replace(/\d+\.\d+\.\d+/g, "N.N.N")].join("\n");
};

const paths = [
  ...[
    "/health",
    "/health?serializable=true",
    "/health?exclude=NOSPACE",
    "/version",
    "/",
    "/nope",
    "/health/",
    "/livez/x",
  ],
  ...["/livez", "/livez?verbose", "/livez/serializable_read", "/readyz", "/readyz?verbose", "/readyz?verbose=false"],
  ...["/readyz?exclude=non_learner&verbose", "/readyz?exclude=nope"],
  ...["data_corruption", "serializable_read", "linearizable_read?verbose", "non_learner"].map((c) => `/readyz/${c}`),
];
/** Request targets that are not plain paths. */
const targets = [
  ...[
    "http://x/health",
    "https://other/version",
    "HTTP://x/nope",
    "http://x",
    "http://x//version",
    "http://[::1/version",
  ],
  ...["/%68ealth", "/health%2f", "/version%3Fx", "/%ff", "/%2568ealth", "/%zz", "/health%2"],
  ...["//version?a=b&c='d'", "/a/../version", "/a/%2e%2e/version", "/a//b/", "/a/.", "/../../x", "//a#b", "//a(b)!*$&"],
  ...["/v3", "/v3?x=1", "/v3beta", "*"],
];
const requests = [
  ...targets.flatMap((target) => ["GET", "OPTIONS"].map((method) => [method, target] as const)),
  ...["//version", "/v3?x=1", "*"].map((target) => ["PUT", target] as const),
  ...paths.map((path) => ["GET", path] as const),
  ...["HEAD", "POST", "PUT", "DELETE", "OPTIONS"].flatMap((method) =>
    ["/health", "/version", "/readyz", "/nope"].map((path) => [method, path] as const),
  ),
];

test("pages, methods and header fields are etcd's", async () => {
  await using etcd = await startEtcdCluster({ kind: "etcd-3.7" });
  await using minietcd = await startEtcdCluster({ kind: "minietcd" });
  await eventually(20_000, "etcd to settle its version", async () =>
    (await ask(etcd.member(0), "GET", "/version")).includes("not_decided") ? undefined : true,
  );
  for (const [method, path] of requests)
    assert.equal(
      await ask(minietcd.member(0), method, path),
      await ask(etcd.member(0), method, path),
      `${method} ${path}`,
    );
});

test("without a quorum a member is live and not healthy, for the same reason", async () => {
  const answersOf = async (kind: ServerKind): Promise<string[]> => {
    await using cluster = await startEtcdCluster({ kind, members: 3 });
    const [left, ...others] = cluster.members;
    assert.ok(left);
    await Promise.all(others.map((member) => member.stop("SIGKILL")));
    await eventually(20_000, "the loss of the leader to be noticed", async () =>
      (await ask(left, "GET", "/health")).includes("RAFT NO LEADER") ? true : undefined,
    );
    const answers: string[] = [];
    for (const path of ["/health", "/health?serializable=true", "/livez", "/readyz/serializable_read", "/readyz"])
      answers.push(await ask(left, "GET", path));
    return answers;
  };
  const [expected, answers] = await Promise.all([answersOf("etcd-3.7"), answersOf("minietcd")]);
  assert.deepEqual(answers, expected);
});

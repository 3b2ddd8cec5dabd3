import assert from "node:assert/strict";
import { test } from "node:test";
import { AlarmType } from "../../../proto/index.js";
import type { Application } from "../../../server/app/index.js";
import { type EmulatedVersion, reportedVersions, ServerError } from "../../../server/base/index.js";
import type { HealthParts } from "../../../server/http/health.js";
import { HealthStats } from "../../../server/http/health-stats.js";
import { createPages } from "../../../server/http/pages.js";

interface Member {
  readonly leader?: bigint;
  readonly serializable?: Error;
  readonly linearizable?: Error;
  readonly emulated?: EmulatedVersion;
  readonly alarms?: readonly AlarmType[];
}

/** Returns the pages of a member whose reads fail as given. */
const pagesOf = ({ leader = 1n, serializable, linearizable, emulated = "3.7", alarms = [] }: Member = {}) => {
  const range: Application["range"] = (_caller, request, handler) => {
    const error = request.serializable ? serializable : linearizable;
    if (error !== undefined) handler.onError(error);
    else handler.onResult({ response: { header: undefined, kvs: [], more: false, count: 0n }, revision: 1 as never });
  };
  const node = { status: () => ({ leader }) } as unknown as HealthParts["node"];
  const all = alarms.map((alarm) => ({ memberID: 1n, alarm }));
  return createPages({
    application: { range },
    node,
    applied: { alarms: { all } },
    stats: new HealthStats(),
    numbers: {
      readMetrics: () => Promise.resolve("one 1\n"),
      readVariables: () => ({ limit: 1, "raft.status": { term: 2 } }),
    },
    versions: reportedVersions(emulated),
  });
};

const timedOut = new ServerError("timed-out", "no majority answered");
const page = async (member: Member, url: string, method = "GET") => {
  const { status, body } = await pagesOf(member)(method, url);
  return `${status} ${String(body)}`;
};

test("/health is true if a read succeeds, and names the reason otherwise", async () => {
  assert.equal(await page({}, "/health"), '200 {"health":"true","reason":""}');
  assert.equal(
    await page({ linearizable: timedOut }, "/health"),
    '503 {"health":"false","reason":"RANGE ERROR:etcdserver: request timed out"}\n',
  );
});

test("/health without a leader fails at once, unless a serializable read is enough", async () => {
  const alone = { leader: 0n, linearizable: timedOut };
  assert.equal(await page(alone, "/health"), '503 {"health":"false","reason":"RAFT NO LEADER"}\n');
  assert.equal(await page(alone, "/health?serializable=true"), '200 {"health":"true","reason":""}');
});

test("/health names an active alarm before anything else, unless the query excludes it", async () => {
  const full = { alarms: [AlarmType.NOSPACE], leader: 0n };
  assert.equal(await page(full, "/health"), '503 {"health":"false","reason":"ALARM NOSPACE"}\n');
  assert.equal(await page(full, "/health?exclude=CORRUPT"), '503 {"health":"false","reason":"ALARM NOSPACE"}\n');
  assert.equal(await page(full, "/health?exclude=NOSPACE"), '503 {"health":"false","reason":"RAFT NO LEADER"}\n');
  const both = { alarms: [AlarmType.NOSPACE, AlarmType.CORRUPT] };
  assert.equal(await page(both, "/health?exclude=NOSPACE"), '503 {"health":"false","reason":"ALARM CORRUPT"}\n');
  assert.equal(await page(both, "/health?exclude=NOSPACE&exclude=CORRUPT"), '200 {"health":"true","reason":""}');
});

test("a member is not ready while the alarm CORRUPT is active, and NOSPACE does not matter", async () => {
  assert.equal(
    await page({ alarms: [AlarmType.CORRUPT] }, "/readyz/data_corruption"),
    "503 [-]data_corruption failed: alarm activated: CORRUPT\n\n",
  );
  assert.equal(await page({ alarms: [AlarmType.NOSPACE] }, "/readyz"), "200 ok\n");
  assert.equal(await page({ alarms: [AlarmType.CORRUPT] }, "/livez"), "200 ok\n");
});

test("a member without a quorum is live, and not ready", async () => {
  const member = { leader: 0n, linearizable: timedOut };
  assert.equal(await page(member, "/livez"), "200 ok\n");
  assert.equal(await page(member, "/readyz/serializable_read"), "200 ok\n");
  assert.equal(
    await page(member, "/readyz/linearizable_read"),
    "503 [-]linearizable_read failed: etcdserver: request timed out\n\n",
  );
  assert.equal(
    await page(member, "/readyz"),
    "503 [+]data_corruption ok\n[+]serializable_read ok\n" +
      "[-]linearizable_read failed: etcdserver: request timed out\n[+]non_learner ok\n\n",
  );
  assert.equal(await page(member, "/readyz?exclude=linearizable_read&exclude=non_learner"), "200 ok\n");
});

test("a member whose reads fail is not live", async () => {
  assert.match(await page({ serializable: timedOut }, "/livez"), /^503 \[-\]serializable_read failed/);
});

test("checks are listed on request, whatever the value", async () => {
  assert.equal(await page({}, "/livez?verbose=false"), "200 [+]serializable_read ok\nok\n");
});

test("the version is that of the release that is followed, or emulated", async () => {
  assert.equal(await page({}, "/version"), '200 {"etcdserver":"3.7.3","etcdcluster":"3.7.0","storage":"3.7.0"}');
  assert.equal(
    await page({ emulated: "3.6" }, "/version"),
    '200 {"etcdserver":"3.6.14","etcdcluster":"3.6.0","storage":"3.6.0"}',
  );
});

test("variables are written one a line, as by Go's expvar", async () => {
  assert.equal(await page({}, "/debug/vars"), '200 {\n"limit": 1,\n"raft.status": {"term":2}\n}\n');
  assert.match(await page({}, "/debug/vars", "POST"), /^405 /);
});

test("other paths and methods are refused as by etcd", async () => {
  for (const path of ["/", "//", "/health/", "/livez/nope", "/Version"])
    assert.equal(await page({}, path), "404 404 page not found\n", path);
  assert.equal(await page({}, "/nope", "POST"), "404 404 page not found\n");
  assert.equal(await page({}, "/health", "POST"), "405 Method Not Allowed\n");
  assert.equal(await page({}, "/nope", "OPTIONS"), "200 ");
});

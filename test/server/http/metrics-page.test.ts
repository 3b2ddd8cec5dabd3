import assert from "node:assert/strict";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import { metricsPage } from "../../../server/http/metrics-page.js";

const metrics = (): Promise<string> => Promise.resolve("one 1\n");

test("metrics are compressed for clients that accept gzip", async () => {
  const plain = await metricsPage(metrics, { "accept-encoding": "br, gzip;q=0" });
  assert.deepEqual([plain.body, plain.fields], ["one 1\n", undefined]);
  const { body, fields } = await metricsPage(metrics, { "accept-encoding": "deflate, gzip;q=0.5" });
  assert.deepEqual([gunzipSync(body).toString(), fields], ["one 1\n", { "Content-Encoding": "gzip" }]);
});

test("the content type is etcd's, and repeats the requested escaping", async () => {
  const typeFor = async (accept: string) => (await metricsPage(metrics, { accept })).contentType;
  assert.equal(await typeFor("*/*"), "text/plain; version=0.0.4; charset=utf-8; escaping=underscores");
  assert.equal(
    await typeFor("text/plain;version=1.0.0;escaping=allow-utf-8"),
    "text/plain; version=0.0.4; charset=utf-8; escaping=allow-utf-8",
  );
});

test("a scrape that fails is a status of 500, with the reason", async () => {
  const { status, body } = await metricsPage(() => Promise.reject(new Error("the store is closed")), {});
  assert.deepEqual([status, body], [500, "cannot gather metrics: the store is closed\n"]);
});

// h2load, a widely used load generator, with gRPC requests: every request is answered, on both engines.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { PutRequest } from "../../proto/index.js";
import { startCluster } from "../support/minietcd-cluster.js";
import { patientClient } from "../support/patient-client.js";

const requests = 3_000;
const fields = ["content-type: application/grpc", "te: trailers", "grpc-timeout: 60S"];

/** Returns a message with gRPC's prefix: not compressed, and its length. */
const frameOf = (message: Uint8Array): Buffer => {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
};

for (const engine of ["native", "grpc-js"])
  test(`h2load: ${requests} puts on 20 connections, 32 streams at a time on each, all succeed: ${engine}`, async () => {
    await using cluster = await startCluster({ members: 1, flags: [`--rpc-engine=${engine}`] });
    const body = join(cluster.folder, "put");
    await writeFile(body, frameOf(PutRequest.encode(PutRequest.create({ key: Buffer.from("k") })).finish()));
    const load = ["--requests", String(requests), "--clients", "20", "--max-concurrent-streams", "32", "--data", body];
    const url = `http://${cluster.member(0).address}/etcdserverpb.KV/Put`;
    const { stdout } = await promisify(execFile)("h2load", [
      ...load,
      ...fields.flatMap((field) => ["--header", field]),
      url,
    ]);
    assert.match(stdout, new RegExp(`${requests} total, .*${requests} done, ${requests} succeeded, 0 failed`));
    await using client = patientClient({ endpoints: cluster.endpoints });
    assert.equal((await client.kv.get("k")).kvs[0]?.version, requests);
  });

import * as grpc from "@grpc/grpc-js";
import assert from "node:assert/strict";
import { test } from "node:test";
import { registerGrpcResolver } from "../../../client/index.js";
import { startTestServer } from "../../../testing/kit/index.js";
import { eventually } from "../../support/deadline.js";

/** Calls a method of a service that every test server has. Resolves to the status code; 0: answered. */
const call = (caller: grpc.Client, deadlineMs: number): Promise<number> => {
  const returnAsIs = (bytes: Buffer) => bytes;
  const path = "/grpc.health.v1.Health/Check";
  return new Promise((resolve) => {
    const options = { deadline: Date.now() + deadlineMs };
    caller.makeUnaryRequest(path, returnAsIs, returnAsIs, Buffer.alloc(0), options, (error) =>
      resolve(error === null ? 0 : error.code),
    );
  });
};

test("a channel with round_robin calls no instance after the last one has left, and the next one once it comes", async () => {
  await using server = await startTestServer();
  const client = server.client();
  registerGrpcResolver(grpc, client, "left");
  const config = JSON.stringify({ loadBalancingConfig: [{ round_robin: {} }] });
  const caller = new grpc.Client("left:///web", grpc.credentials.createInsecure(), { "grpc.service_config": config });
  try {
    const first = await client.register({ service: "web", address: server.endpoint });
    assert.equal(await call(caller, 20_000), 0);
    await first.close();
    await eventually(20_000, "a call without an instance", async () => (await call(caller, 100)) !== 0 || undefined);
    await using next = await client.register({ service: "web", address: server.endpoint });
    assert.ok(next.isRegistered);
    assert.equal(await call(caller, 20_000), 0);
  } finally {
    caller.close();
  }
});

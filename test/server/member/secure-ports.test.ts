// Clients with certificates, as the services see them.

import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { Client, credentials } from "@grpc/grpc-js";
import { systemClock } from "../../../platform/index.js";
import { HealthCheckRequest, HealthCheckResponse } from "../../../proto/index.js";
import { configFromFlags, defaultFlags } from "../../../server/config/index.js";
import { SecurePorts } from "../../../server/member/secure-ports.js";
import { ClientConnections, UntakenAnswers } from "../../../server/net/index.js";
import { sendPlain, unary } from "../../../server/rpc/index.js";
import { TestAuthority } from "../../support/certificates.js";
import { onEachEngine } from "../net/engines.js";
import { quietEnvironment, temporaryDirectory } from "./member-fixtures.js";

onEachEngine("a call knows the common name of its client's certificate", async (t, createEngine) => {
  const folder = await temporaryDirectory(t);
  const authority = await TestAuthority.create();
  const { files } = await authority.issueTo(folder, "server");
  const url = "https://127.0.0.1:0";
  const config = configFromFlags({
    ...defaultFlags,
    ...{ listenClientUrls: url, advertiseClientUrls: url, certFile: files.cert, keyFile: files.key },
    ...{ trustedCaFile: await authority.writeTo(folder), clientCertAuth: "true" },
  });
  const ports = await SecurePorts.open(config, quietEnvironment(), 1);
  const names: unknown[] = [];
  const addresses: (string | undefined)[] = [];
  const engine = createEngine({
    clock: systemClock,
    untaken: new UntakenAnswers(systemClock, () => undefined),
    methods: [
      unary(
        "/test.Service/Who",
        HealthCheckRequest,
        HealthCheckResponse,
        (call, _request, handler) => {
          names.push(call.certificateName);
          addresses.push(call.remoteAddress);
          handler.onResult(HealthCheckResponse.create());
        },
        sendPlain,
      ),
    ],
    maxRequestBytes: 1_000,
    onUnexpectedError: (error) => assert.fail(error as Error),
  });
  const connections = new ClientConnections();
  connections.start({
    http2: engine,
    http1: { serve: (socket) => socket.destroy() },
  });
  const [listenUrl] = config.urls.listenClient;
  assert.ok(listenUrl);
  const server = createServer((raw) => connections.accept(raw, ports.ofClient(listenUrl))).listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(async () => {
    server.close();
    await engine.stop(0);
    connections.close();
    ports.close();
  });
  const { port } = server.address() as AddressInfo;
  const bytes = (message: Buffer): Buffer => message;
  for (const commonName of ["alice", "bob"]) {
    const { cert, key } = await authority.issue({ commonName });
    const own = credentials.createSsl(Buffer.from(authority.cert), Buffer.from(key), Buffer.from(cert));
    const client = new Client(`localhost:${port}`, own, { "grpc.use_local_subchannel_pool": 1 });
    t.after(() => client.close());
    await new Promise<void>((resolve, reject) =>
      client.makeUnaryRequest("/test.Service/Who", bytes, bytes, Buffer.alloc(0), (error) =>
        error ? reject(error) : resolve(),
      ),
    );
  }
  assert.deepEqual(names, ["alice", "bob"]);
  for (const address of addresses) assert.match(address ?? "", /^127\.0\.0\.1:\d+$/);
});

// The native engine over TLS.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Client, credentials } from "@grpc/grpc-js";
import { connect as connectTls, createServer, type TLSSocket } from "node:tls";
import { serve } from "./raw-client.js";

/** A key and certificate for localhost, valid until 2126, for this test only. */
const key = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg8LONdInic9gW0TJC
rN3k0VbLKM5MY/I5kJJjwjKYbxihRANCAARxsajpRcjPaBcH7grQFGNAiD8gDj4R
yHeZgTkgJBZbmp2Mb/RJjaji+nYooQDr1CEr5QB5e9rdbq56PS76ChzU
-----END PRIVATE KEY-----`;
const cert = `-----BEGIN CERTIFICATE-----
MIIBnDCCAUGgAwIBAgIUaggrZ8XFzm3abtE8SBoCx4yZ3agwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEzMDA3MTgyNFoYDzIxMjYxMTA2
MDcxODI0WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAARxsajpRcjPaBcH7grQFGNAiD8gDj4RyHeZgTkgJBZbmp2Mb/RJjaji
+nYooQDr1CEr5QB5e9rdbq56PS76ChzUo28wbTAdBgNVHQ4EFgQUpUT6icxJ1tGj
Tu3pwKe75hRLqAswHwYDVR0jBBgwFoAUpUT6icxJ1tGjTu3pwKe75hRLqAswDwYD
VR0TAQH/BAUwAwEB/zAaBgNVHREEEzARgglsb2NhbGhvc3SHBH8AAAEwCgYIKoZI
zj0EAwIDSQAwRgIhAOgNZYpU166uHryG1GTrUenYK0Z4Chu/1W/jEAew0LJvAiEA
zS49qRiZJlmBI3PtUFge9M1VIcWm/dNjAlIBZDMzNVU=
-----END CERTIFICATE-----`;

const makeServer = (onConnection: (socket: TLSSocket) => void) =>
  createServer({ key, cert, ALPNProtocols: ["h2"] }, onConnection);

test("gRPC is served over TLS", async (t) => {
  const { path } = await serve(t, {}, [], makeServer);
  const trusting = credentials.createSsl(Buffer.from(cert));
  const client = new Client(`unix:${path}`, trusting, { "grpc.ssl_target_name_override": "localhost" });
  t.after(() => client.close());
  const bytes = (message: Buffer): Buffer => message;
  const request = Buffer.alloc(50_000, 7);
  const answer = await new Promise<Buffer | undefined>((resolve, reject) =>
    client.makeUnaryRequest("/test.S/Echo", bytes, bytes, request, (error, value) =>
      error ? reject(error) : resolve(value),
    ),
  );
  assert.deepEqual(answer, request);
});

test("a client that offers HTTP/2 by ALPN gets HTTP/2", async (t) => {
  const { path } = await serve(t, {}, [], makeServer);
  const socket = connectTls({ path, ca: cert, servername: "localhost", ALPNProtocols: ["h2"] });
  t.after(() => socket.destroy());
  await new Promise<void>((resolve, reject) => socket.once("secureConnect", resolve).once("error", reject));
  assert.equal(socket.alpnProtocol, "h2");
});

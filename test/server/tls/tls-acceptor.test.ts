// The server's side of handshakes, over unix sockets and TCP.

import assert from "node:assert/strict";
import { once } from "node:events";
import { rename, writeFile } from "node:fs/promises";
import { type AddressInfo, connect as connectOpenly, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { connect, type ConnectionOptions, type TLSSocket } from "node:tls";
import { systemClock, type Clock } from "../../../platform/index.js";
import { VirtualClock } from "../../../testing/virtual-clock.js";
import { configFromFlags, defaultFlags, type ServerFlags } from "../../../server/config/index.js";
import { openCertificates, TlsAcceptor } from "../../../server/tls/index.js";
import { type CertificatePaths, TestAuthority } from "../../support/certificates.js";
import { recordingLogger, temporaryDirectory } from "../member/member-fixtures.js";

/** The flags of a server with a certificate. */
const withCertificate = ({ cert, key }: CertificatePaths): Partial<ServerFlags> => ({ certFile: cert, keyFile: key });

/** Accepts on a port of its own, and sends the common name of the client on each secure connection. */
const serve = async (t: TestContext, flags: Partial<ServerFlags>, clock: Clock = systemClock, maxHandshakes = 10) => {
  const url = "https://127.0.0.1:0";
  const config = configFromFlags({ ...defaultFlags, listenClientUrls: url, advertiseClientUrls: url, ...flags });
  const settings = config.security.tls.client;
  assert.ok(settings);
  const { logger, lines } = recordingLogger();
  const certificates = await openCertificates(
    settings,
    { directory: undefined, urls: config.urls.listenClient },
    logger,
  );
  const acceptor = new TlsAcceptor({ port: "client", settings, certificates, clock, logger, maxHandshakes });
  const server = createServer((raw) =>
    acceptor.secure(raw, (socket, commonName) => socket.end(`hello ${commonName ?? "nobody"}`)),
  );
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    acceptor.close();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const refusals = () => lines.filter(({ msg }) => msg === "rejected connection on client endpoint");
  /** Connects and reads to the end. */
  const readGreeting = async (options: ConnectionOptions): Promise<string> => {
    const socket = connect({ host: "127.0.0.1", port, ...options });
    t.after(() => socket.destroy());
    return textOf(socket);
  };
  return { port, server, lines, refusals, readGreeting };
};

/** Reads until the connection ends. Resolves to the text, or to the code of the error that ended it. */
const textOf = (socket: TLSSocket): Promise<string> =>
  new Promise((resolve) => {
    let text = "";
    let failure = "";
    socket.on("data", (chunk: Buffer) => (text += chunk.toString()));
    socket.on("error", (error: NodeJS.ErrnoException) => (failure = error.code ?? error.message));
    socket.on("close", () => resolve(failure === "" ? text : failure));
  });

test("a client that trusts the authority is served; without --client-cert-auth it needs no certificate", async (t) => {
  const folder = await temporaryDirectory(t);
  const authority = await TestAuthority.create();
  const { files } = await authority.issueTo(folder, "server");
  const { readGreeting } = await serve(t, withCertificate(files));
  assert.equal(await readGreeting({ ca: authority.cert }), "hello nobody");
  assert.equal(
    await readGreeting({ ca: (await TestAuthority.create("stranger")).cert }),
    "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
  );
});

test("a certificate that has expired, or ends within 30 days, causes a warning at the start and when it is replaced", async (t) => {
  const folder = await temporaryDirectory(t);
  const authority = await TestAuthority.create();
  const { files: expired } = await authority.issueTo(folder, "server", { isExpired: true });
  const { readGreeting, lines } = await serve(t, withCertificate(expired));
  const warnings = () => lines.flatMap(({ msg, path }) => (msg.startsWith("the TLS certificate") ? [[msg, path]] : []));
  const hasExpired = ["the TLS certificate has expired: replace its files (no restart is needed)", expired.cert];
  assert.deepEqual(warnings(), [hasExpired]);
  await authority.issueTo(folder, "server", { days: 29 });
  await readGreeting({ ca: authority.cert });
  const soon = ["the TLS certificate expires soon: replace its files (no restart is needed)", expired.cert];
  assert.deepEqual(warnings(), [hasExpired, soon]);
  await authority.issueTo(folder, "server", { days: 31 });
  await readGreeting({ ca: authority.cert });
  assert.deepEqual(warnings(), [hasExpired, soon]);
});

test("with a trusted authority only clients with its certificates are served, under their common name", async (t) => {
  const folder = await temporaryDirectory(t);
  const authority = await TestAuthority.create();
  const stranger = await TestAuthority.create("stranger");
  const { files } = await authority.issueTo(folder, "server");
  const trustedCaFile = await authority.writeTo(folder);
  const { readGreeting, refusals } = await serve(t, { ...withCertificate(files), trustedCaFile });
  const ca = authority.cert;
  const { cert, key } = await authority.issue({ commonName: "alice" });
  assert.equal(await readGreeting({ ca, cert, key }), "hello alice");
  assert.equal(await readGreeting({ ca }), "ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED");
  assert.doesNotMatch(await readGreeting({ ca, ...(await stranger.issue()) }), /hello/);
  assert.doesNotMatch(await readGreeting({ ca, ...(await authority.issue({ isExpired: true })) }), /hello/);
  assert.deepEqual(
    refusals().map(({ error }) => error),
    [
      "tls: client didn't provide a certificate",
      "tls: failed to verify certificate: certificate signed by unknown authority",
      "tls: failed to verify certificate: certificate has expired",
    ],
  );
});

test("the user is the common name of the certificate, with any characters and beside other names", async (t) => {
  const folder = await temporaryDirectory(t);
  const authority = await TestAuthority.create();
  const { files } = await authority.issueTo(folder, "server");
  const trustedCaFile = await authority.writeTo(folder);
  const { readGreeting } = await serve(t, { ...withCertificate(files), trustedCaFile });
  const nameFor = async (subject: string) =>
    readGreeting({ ca: authority.cert, ...(await authority.issue({ commonName: subject })) });
  assert.equal(await nameFor("Doe\\, Jane \\+ \\<é\\>"), "hello Doe, Jane + <é>");
  assert.equal(await nameFor("alice+OU=staff"), "hello alice"); // two names in one part of the subject
  assert.equal(await nameFor("alice, CN=bob"), "hello bob"); // the last name counts, as in Go
});

test("a file without an authority is refused at the start; a file that is emptied later is not used", async (t) => {
  const folder = await temporaryDirectory(t);
  const authority = await TestAuthority.create();
  const { files } = await authority.issueTo(folder, "server");
  const trustedCaFile = await authority.writeTo(folder);
  const { readGreeting } = await serve(t, { ...withCertificate(files), trustedCaFile });
  const alice = { ca: authority.cert, ...(await authority.issue({ commonName: "alice" })) };
  await writeFile(trustedCaFile, "");
  assert.equal(await readGreeting(alice), "hello alice");
  await assert.rejects(serve(t, { ...withCertificate(files), trustedCaFile }), /no certificate in .*: name a PEM file/);
});

test("allowed names and hosts decide among verified clients", async (t) => {
  const folder = await temporaryDirectory(t);
  const authority = await TestAuthority.create();
  const { files } = await authority.issueTo(folder, "server");
  const trustedCaFile = await authority.writeTo(folder);
  const ca = authority.cert;
  const alice = await authority.issue({ commonName: "alice", hosts: ["alice.example"] });
  const bob = await authority.issue({ commonName: "bob", hosts: ["*.bob.example"] });
  const byName = await serve(t, { ...withCertificate(files), trustedCaFile, clientCertAllowedCn: "carol,alice" });
  assert.equal(await byName.readGreeting({ ca, ...alice }), "hello alice");
  assert.doesNotMatch(await byName.readGreeting({ ca, ...bob }), /hello/);
  const byHost = await serve(t, {
    ...withCertificate(files),
    trustedCaFile,
    clientCertAllowedHostname: "west.bob.example,127.0.0.9",
  });
  assert.equal(await byHost.readGreeting({ ca, ...bob }), "hello bob");
  assert.doesNotMatch(await byHost.readGreeting({ ca, ...alice }), /hello/);
  assert.match(String(byHost.refusals()[0]?.["error"]), /^client certificate authentication failed/);
});

test("a certificate is refused as soon as the revocation list contains it", async (t) => {
  const folder = await temporaryDirectory(t);
  const authority = await TestAuthority.create();
  const { files } = await authority.issueTo(folder, "server");
  const trustedCaFile = await authority.writeTo(folder);
  const clientCrlFile = join(folder, "crl.der");
  const ca = authority.cert;
  const alice = await authority.issue({ commonName: "alice" });
  const bob = await authority.issue({ commonName: "bob" });
  await writeFile(clientCrlFile, await authority.revoke([bob]));
  const { readGreeting, refusals } = await serve(t, { ...withCertificate(files), trustedCaFile, clientCrlFile });
  assert.equal(await readGreeting({ ca, ...alice }), "hello alice");
  assert.doesNotMatch(await readGreeting({ ca, ...bob }), /hello/);
  await writeFile(clientCrlFile, await authority.revoke([bob, alice]));
  assert.doesNotMatch(await readGreeting({ ca, ...alice }), /hello/);
  assert.match(String(refusals()[0]?.["error"]), /^transport: certificate serial [0-9a-f]+ revoked$/);
});

test("replaced files are used from the next handshake on; while only one of the two is replaced, the former pair is used", async (t) => {
  const folder = await temporaryDirectory(t);
  const authority = await TestAuthority.create();
  const { files, serial } = await authority.issueTo(folder, "server");
  const { port, lines } = await serve(t, withCertificate(files));
  const serialNow = async (): Promise<string | undefined> => {
    const socket = connect({ host: "127.0.0.1", port, ca: authority.cert });
    t.after(() => socket.destroy());
    await once(socket, "secureConnect");
    return socket.getPeerX509Certificate()?.serialNumber.toLowerCase();
  };
  assert.equal(await serialNow(), serial);
  const next = await authority.issueTo(folder, "next");
  await rename(next.files.cert, files.cert);
  assert.equal(await serialNow(), serial);
  assert.equal(lines.filter(({ msg }) => msg.startsWith("cannot use changed TLS files")).length, 1);
  await rename(next.files.key, files.key);
  assert.equal(await serialNow(), next.serial);
});

test("a client that speaks HTTP to a port of TLS is named in the log, once in ten seconds", async (t) => {
  const folder = await temporaryDirectory(t);
  const authority = await TestAuthority.create();
  const { files } = await authority.issueTo(folder, "server");
  const { port, refusals } = await serve(t, withCertificate(files));
  for (const text of ["GET /health HTTP/1.1\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"]) {
    const socket = connectOpenly(port, "127.0.0.1");
    t.after(() => socket.destroy());
    socket.write(text);
    socket.on("error", () => undefined);
    await once(socket.resume(), "close");
  }
  assert.equal(refusals().length, 1);
  assert.match(String(refusals()[0]?.["error"]), /not TLS: .*https:/);
});

test("a client that breaks its connection during the handshake is named in the log", async (t) => {
  const folder = await temporaryDirectory(t);
  const authority = await TestAuthority.create();
  const { files } = await authority.issueTo(folder, "server");
  const { port, server, refusals } = await serve(t, withCertificate(files));
  const accepted = once(server, "connection");
  const socket = connectOpenly(port, "127.0.0.1");
  const [raw] = (await accepted) as [Socket];
  const address = `127.0.0.1:${socket.localPort ?? 0}`;
  socket.resetAndDestroy();
  await once(raw, "close");
  await new Promise(setImmediate);
  assert.deepEqual(
    refusals().map((line) => line["remote-addr"]),
    [address],
  );
});

test("handshakes are bounded, in number and in time", async (t) => {
  const folder = await temporaryDirectory(t);
  const authority = await TestAuthority.create();
  const { files } = await authority.issueTo(folder, "server");
  const clock = new VirtualClock();
  const { port, server, refusals } = await serve(t, withCertificate(files), clock, 1);
  const dial = async (): Promise<{ readonly closed: Promise<unknown> }> => {
    const accepted = once(server, "connection");
    const socket = connectOpenly(port, "127.0.0.1");
    t.after(() => socket.destroy());
    socket.on("error", () => undefined);
    const closed = once(socket.resume(), "close");
    await accepted;
    return { closed };
  };
  const silent = await dial();
  await (
    await dial()
  ).closed; // closed immediately, as another one is in progress
  clock.advance(10_000);
  await silent.closed;
  assert.deepEqual(
    refusals().map(({ error }) => error),
    ["too many handshakes are under way", "tls: the handshake took more than 10 s"],
  );
});

test("the suites and versions of TLS are those of the flags, and HTTP/1.1 is chosen where both are offered", async (t) => {
  const folder = await temporaryDirectory(t);
  const authority = await TestAuthority.create();
  const { files } = await authority.issueTo(folder, "server");
  const { port } = await serve(t, {
    ...withCertificate(files),
    cipherSuites: "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    tlsMaxVersion: "TLS1.2",
  });
  const negotiate = async (options: ConnectionOptions): Promise<unknown[]> => {
    const socket = connect({ host: "127.0.0.1", port, ca: authority.cert, ...options });
    t.after(() => socket.destroy());
    await once(socket, "secureConnect");
    return [socket.getProtocol(), socket.getCipher().name, socket.alpnProtocol];
  };
  const suite = "ECDHE-ECDSA-AES256-GCM-SHA384";
  assert.deepEqual(await negotiate({ ALPNProtocols: ["h2"] }), ["TLSv1.2", suite, "h2"]);
  assert.deepEqual(await negotiate({ ALPNProtocols: ["h2", "http/1.1"] }), ["TLSv1.2", suite, "http/1.1"]);
  assert.deepEqual(await negotiate({}), ["TLSv1.2", suite, false]);
  await assert.rejects(negotiate({ minVersion: "TLSv1.3" }));
});

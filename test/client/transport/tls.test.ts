// The client over TLS, with members in this process.

import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { test, type TestContext } from "node:test";
import { type ClientOptions, ConnectError, type TlsOptions } from "../../../client/index.js";
import { runProgram } from "../../../cli/ctl/index.js";
import { defaultFlags, configFromFlags, type ServerFlags } from "../../../server/config/index.js";
import { Member } from "../../../server/member/index.js";
import { quietEnvironment, temporaryDirectory } from "../../server/member/member-fixtures.js";
import { TestAuthority } from "../../support/certificates.js";
import { scaleMs } from "../../support/machine-speed.js";
import { patientClient } from "../../support/patient-client.js";

/** Starts a member with a certificate for 127.0.0.1 on a port of its own. */
const serve = async (
  t: TestContext,
  flags: (folder: string, authority: TestAuthority) => Promise<Partial<ServerFlags>>,
) => {
  const folder = await temporaryDirectory(t);
  const authority = await TestAuthority.create();
  const { files } = await authority.issueTo(folder, "server");
  const url = "https://127.0.0.1:0";
  const peer = `unix://${join(folder, "peer")}`;
  const config = configFromFlags({
    ...defaultFlags,
    ...{
      memory: "true",
      listenClientUrls: url,
      advertiseClientUrls: url,
      listenPeerUrls: peer,
      initialAdvertisePeerUrls: peer,
    },
    ...{ certFile: files.cert, keyFile: files.key },
    ...(await flags(folder, authority)),
  });
  const member = await Member.start(config, quietEnvironment());
  t.after(() => member.stop());
  await member.whenReady;
  const [endpoint = ""] = member.endpoints;
  return { folder, authority, endpoint };
};

const mutualFlags = async (folder: string, authority: TestAuthority): Promise<Partial<ServerFlags>> => ({
  trustedCaFile: await authority.writeTo(folder),
  clientCertAuth: "true",
});

const textOver = async (
  endpoint: string,
  tls: TlsOptions | undefined,
  more: Partial<ClientOptions> = {},
): Promise<string | undefined> => {
  await using client = patientClient({ endpoints: [endpoint], tls, ...more });
  await client.kv.put("k", "v");
  return await client.kv.getText("k");
};

test("a client that trusts the authority works with https endpoints, and with endpoints without a scheme", async (t) => {
  const { authority, endpoint } = await serve(t, () => Promise.resolve({}));
  assert.match(endpoint, /^https:/);
  for (const each of [endpoint, endpoint.replace("https://", "")])
    assert.equal(await textOver(each, { ca: authority.cert }), "v");
  assert.equal(await textOver(endpoint, { insecureSkipVerify: true }), "v");
});

test("mutual TLS: streams and calls work with a certificate", async (t) => {
  const { authority, endpoint } = await serve(t, mutualFlags);
  const { cert, key } = await authority.issue({ commonName: "alice" });
  const tls = { ca: authority.cert, cert, key: Buffer.from(key) };
  assert.equal(await textOver(endpoint, tls), "v");
  await using client = patientClient({ endpoints: [endpoint], tls });
  const watch = client.watch("w");
  await watch.whenReady();
  const value = "x".repeat(1_000_000);
  await client.kv.put("w", value);
  for await (const { kv } of watch) {
    assert.equal(Buffer.from(kv.value).toString(), value);
    break;
  }
});

test("a connection that fails in TLS is an error with the reason and a hint", async (t) => {
  const { authority, endpoint } = await serve(t, mutualFlags);
  const { authority: other, endpoint: foreign } = await serve(t, async (folder, own) => {
    const { files } = await own.issueTo(folder, "elsewhere", { hosts: ["elsewhere.example"] });
    return { certFile: files.cert, keyFile: files.key };
  });
  const failureOf = async (at: string, tls: TlsOptions | undefined): Promise<string> => {
    try {
      await textOver(at, tls, { dialTimeoutMs: scaleMs(1_500) });
      return "";
    } catch (error) {
      assert.ok(error instanceof ConnectError);
      return error.message;
    }
  };
  assert.match(await failureOf(endpoint, undefined), /authority that is not trusted: give its certificate as tls.ca/);
  assert.match(
    await failureOf(foreign, { ca: other.cert }),
    /not valid for this host: use a host that it names, or tls.serverName/,
  );
  assert.equal(await textOver(foreign, { ca: other.cert, serverName: "elsewhere.example" }), "v");
  assert.match(
    await failureOf(endpoint, { ca: authority.cert }),
    /asks for a certificate: give tls.cert and tls.key|does not accept this client's certificate/,
  );
  assert.match(await failureOf(endpoint.replace("https", "http"), undefined), /if it speaks TLS, use https:/);
});

test("certificates that cannot be used are refused with the reason when the client is made", async () => {
  const authority = await TestAuthority.create();
  const [one, two] = [await authority.issue(), await authority.issue()];
  const rows: [tls: TlsOptions, reason: RegExp][] = [
    [{ cert: one.cert }, /tls.cert and tls.key must both be given, or neither/],
    [{ cert: one.cert, key: two.key }, /tls.key does not belong to tls.cert/],
    [{ cert: "x", key: "y" }, /must be PEM/],
    [{ rejectUnauthorized: false } as TlsOptions, /there is no option "tls.rejectUnauthorized"/],
  ];
  for (const [tls, message] of rows)
    assert.throws(() => patientClient({ endpoints: ["https://127.0.0.1:1"], tls }), { name: "TypeError", message });
});

test("minietcdctl takes etcdctl's flags and variables for TLS", async (t) => {
  const { folder, authority, endpoint } = await serve(t, mutualFlags);
  const { files } = await authority.issueTo(folder, "alice", { commonName: "alice" });
  const cacert = join(folder, "root.pem");
  await writeFile(cacert, authority.cert);
  const run = async (words: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<string> => {
    let output = "";
    const add = (text: string | Uint8Array): void => void (output += Buffer.from(text).toString());
    const code = await runProgram(words, { env, stdin: Readable.from([]), print: add, note: add });
    return `${code} ${output}`;
  };
  const flags = [`--cacert=${cacert}`, `--cert=${files.cert}`, `--key=${files.key}`];
  assert.equal(await run(["put", "k", "v", `--endpoints=${endpoint}`, ...flags]), "0 OK\n");
  assert.equal(await run(["get", "k", `--endpoints=${endpoint.replace("https://", "")}`, ...flags]), "0 k\nv\n");
  const { cert: ETCDCTL_CERT, key: ETCDCTL_KEY } = files;
  const env = { ETCDCTL_ENDPOINTS: endpoint, ETCDCTL_CERT, ETCDCTL_KEY };
  assert.equal(await run(["get", "k"], { ...env, ETCDCTL_CACERT: cacert }), "0 k\nv\n");
  assert.equal(await run(["get", "k", "--insecure-skip-tls-verify"], env), "0 k\nv\n");
  assert.match(await run(["get", "k"], env), /^1 .*authority that is not trusted: .*--cacert/s);
});

// TLS of etcd 3.7 and minietcd with clients in other languages, and our client with etcd's TLS.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import { pathOfTool } from "../support/built-tools.js";
import { type EtcdCluster, type ServerKind, startEtcdCluster } from "../support/etcd-process.js";
import { scaleMs } from "../support/machine-speed.js";
import { type MutualTls, mutualTls } from "../support/mutual-tls.js";
import { patientClient } from "../support/patient-client.js";
import { tempFolder } from "../support/temp-folder.js";

/** Debian's Python, for Debian's python3-etcd3; the PATH may have another one. */
const python = "/usr/bin/python3";
const timeoutMs = 30_000;

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end. */
const run = async (program: string, args: readonly string[], input = ""): Promise<Ended> => {
  const { PATH } = process.env;
  const asked = promisify(execFile)(program, args, { env: { PATH }, timeout: scaleMs(timeoutMs) });
  asked.child.stdin?.on("error", () => undefined).end(input); // a refused program ends without reading its input
  try {
    return { code: 0, ...(await asked) };
  } catch (error) {
    const { code, stdout = "", stderr = "" } = error as Partial<Ended>;
    if (typeof code !== "number") throw error;
    return { code, stdout, stderr };
  }
};

const pythonScript = `
import sys, etcd3
host, port, ca, cert, key = sys.argv[1:]
client = etcd3.client(host=host, port=int(port), ca_cert=ca, cert_cert=cert, cert_key=key)
client.put("python", "over TLS")
print(client.get("python")[0].decode())
`;

interface Server {
  readonly kind: ServerKind;
  readonly flags: readonly string[];
}

const servers: readonly Server[] = [
  { kind: "etcd-3.7", flags: [] },
  { kind: "minietcd", flags: [] },
  { kind: "minietcd", flags: ["--rpc-engine=grpc-js"] },
];

const describeServer = ({ kind, flags }: Server): void =>
  void describe([kind, ...flags, "with mutual TLS"].join(" "), () => {
    let folder: Awaited<ReturnType<typeof tempFolder>>;
    let files: MutualTls;
    let cluster: EtcdCluster;

    before(async () => {
      folder = await tempFolder();
      files = await mutualTls(folder.path);
      cluster = await startEtcdCluster({ kind, tls: files.tls, flags: [...files.flags, ...flags] });
    });

    after(async () => {
      await cluster[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    });

    const address = (): string => cluster.member(0).endpoint.replace("https://", "");
    const withClientCertificate = (): string[] => [
      ...[`--endpoints=https://${address()}`, `--cacert=${files.ca}`],
      ...[`--cert=${files.client.cert}`, `--key=${files.client.key}`],
    ];

    for (const [version, program] of [
      ["3.4", () => "etcdctl"],
      ["3.7", () => pathOfTool("etcd/etcdctl")],
    ] as const)
      test(`etcdctl ${version} works with a certificate, and not without`, async () => {
        const own = withClientCertificate();
        assert.deepEqual(await run(program(), [...own, "put", "k", "v"]), { code: 0, stdout: "OK\n", stderr: "" });
        assert.equal((await run(program(), [...own, "get", "k"])).stdout, "k\nv\n");
        const health = await run(program(), [...own, "endpoint", "health"]);
        assert.match(health.stdout + health.stderr, /https:\/\/.* is healthy/);
        const without = [...own.slice(0, 2), "--command-timeout=1s", "--dial-timeout=1s"];
        assert.notEqual((await run(program(), [...without, "get", "k"])).code, 0);
        const open = [`--endpoints=http://${address()}`, "--command-timeout=1s", "--dial-timeout=1s"];
        assert.notEqual((await run(program(), [...open, "get", "k"])).code, 0);
      });

    test("openssl negotiates HTTP/2 and TLS 1.3, and no version before 1.2", async () => {
      const common = ["s_client", "-connect", address(), "-CAfile", files.ca, "-alpn", "h2"];
      const own = ["-cert", files.client.cert, "-key", files.client.key];
      const { stdout } = await run("openssl", [...common, ...own], "Q\n");
      assert.match(stdout, /ALPN protocol: h2/);
      assert.match(stdout, /TLSv1\.3/);
      assert.match(stdout, /Verify return code: 0 \(ok\)/);
      const old = await run("openssl", [...common, ...own, "-tls1_1", "-cipher", "ALL:@SECLEVEL=0"], "Q\n");
      assert.match(old.stdout + old.stderr, /alert protocol version|no protocols available/);
    });

    test("a client that prefers AES-256 gets AES-128, and one that has nothing else AES-256", async () => {
      const common = ["s_client", "-connect", address(), "-CAfile", files.ca];
      const own = ["-cert", files.client.cert, "-key", files.client.key];
      for (const [offered, chosen] of [
        ["TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256", "TLS_AES_128_GCM_SHA256"],
        ["TLS_AES_256_GCM_SHA384", "TLS_AES_256_GCM_SHA384"],
      ] as const) {
        const { stdout } = await run("openssl", [...common, ...own, "-ciphersuites", offered], "Q\n");
        assert.match(stdout, new RegExp(`Cipher is ${chosen}`));
      }
    });

    test("curl gets the pages over TLS", async () => {
      const own = ["--cacert", files.ca, "--cert", files.client.cert, "--key", files.client.key];
      const { stdout, stderr } = await run("curl", ["-sS", ...own, `https://${address()}/health`]);
      assert.match(stdout, /^\{"health":"true"/, stderr);
      assert.notEqual((await run("curl", ["-sS", "--cacert", files.ca, `https://${address()}/health`])).code, 0);
    });

    test("python-etcd3 (grpcio) works with a certificate", async () => {
      const [host = "", port = ""] = address().split(":");
      const { ca, client } = files;
      const { stdout, stderr } = await run(python, ["-c", pythonScript, host, port, ca, client.cert, client.key]);
      assert.equal(stdout, "over TLS\n", stderr);
    });

    test("our client works over TLS, and its errors give the reason", async () => {
      const endpoint = cluster.member(0).endpoint;
      await using client = patientClient({ endpoints: [endpoint], tls: files.tls });
      const watch = client.watch("watched");
      await watch.whenReady();
      await client.kv.put("watched", "v");
      for await (const { kv } of watch) {
        assert.equal(Buffer.from(kv.value).toString(), "v");
        break;
      }
      const { members } = await client.cluster.memberList();
      assert.deepEqual(members[0]?.clientURLs, [endpoint]);
      assert.deepEqual(await client.syncEndpoints(), [endpoint]);
      await using untrusting = patientClient({ endpoints: [endpoint], tls: {} });
      await assert.rejects(untrusting.kv.get("k"), /authority that is not trusted/);
    });
  });

// Concurrent, because refused clients wait for their timeouts.
describe("TLS", { concurrency: true }, () => servers.forEach(describeServer));

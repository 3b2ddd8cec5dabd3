// Flags and variables of a member: etcd's names, defaults, texts and exit codes (etcd v3 API, server command line).

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { Client, EtcdError } from "../../client/index.js";
import { allFlags } from "../../server/config/flag-table.js";
import { MinietcdProcess, runMinietcd } from "../support/minietcd-process.js";
import { tempFolder } from "../support/temp-folder.js";
import { patientClient } from "../support/patient-client.js";

interface Refusal {
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** 2: a flag that cannot be parsed. 1: flags that contradict each other. */
  readonly code: 1 | 2;
  readonly text: string;
}

const peer = "--listen-peer-urls=http://127.0.0.1:0";
const secureUrls = ["--listen-client-urls=https://127.0.0.1:0", "--advertise-client-urls=https://127.0.0.1:0"];
const refusals: readonly Refusal[] = [
  { args: ["--bogus"], code: 2, text: "flag provided but not defined: -bogus" },
  { args: ["--bogus=1"], code: 2, text: "flag provided but not defined: -bogus" },
  { args: ["--enable-v3X=1"], code: 2, text: "flag provided but not defined: -enable-v3X\n" },
  { args: ["--max-walls=1"], code: 2, text: "flag provided but not defined: -max-walls\nDid you mean --max-wals?\n" },
  {
    args: ["--enable-v2"],
    code: 2,
    text: "flag provided but not defined: -enable-v2\nIt was a flag of etcd up to 3.5",
  },
  // Flags without effect are errors, so that no setting is ignored silently.
  { args: ["--wal-dir=w"], code: 1, text: "--wal-dir cannot be used: the log is part of the data directory" },
  { args: ["--auth-token=jwt,sign-method=RS"], code: 1, text: "auth: invalid auth options: --auth-token: sign-method" },
  { args: ["--auth-token=jwt,sign-method=RS256", peer], code: 1, text: "auth: missing key data: RS256 needs priv-key" },
  { args: ["--auth-token=jwt,sign-method=HS256,priv-key=nowhere", peer], code: 1, text: "cannot read nowhere: ENOENT" },
  { args: ["--config-file=nowhere.yml"], code: 1, text: "open nowhere.yml: no such file or directory" },
  {
    args: ["--log-outputs=nowhere/x"],
    code: 1,
    text: 'open sink \\"nowhere/x\\": open nowhere/x: no such file or directory',
  },
  {
    args: ["--auto-compaction-retention=x"],
    code: 1,
    text: "error parsing CompactionRetention: time: invalid duration",
  },
  { args: ["--name"], code: 2, text: "flag needs an argument: -name" },
  {
    args: ["--listen-client-urls=foo", "--advertise-client-urls=http://127.0.0.1:2379"],
    code: 2,
    text: 'invalid value "foo" for flag -listen-client-urls: URL scheme must be http, https, unix, or unixs: foo',
  },
  {
    args: ["-listen-peer-urls", "http://127.0.0.1"], // one dash, and the value in the next argument
    code: 2,
    text: 'invalid value "http://127.0.0.1" for flag -listen-peer-urls: URL address does not have the form "host:port": http://127.0.0.1',
  },
  {
    args: ["--advertise-client-urls=http://127.0.0.1:1/x"],
    code: 2,
    text: 'invalid value "http://127.0.0.1:1/x" for flag -advertise-client-urls: URL must not contain a path: http://127.0.0.1:1/x',
  },
  {
    args: ["--initial-cluster-state=bad"],
    code: 2,
    text: 'invalid value "bad" for flag -initial-cluster-state: invalid value',
  },
  {
    args: [],
    env: { ETCD_INITIAL_CLUSTER_STATE: "bad" },
    code: 1,
    text: 'invalid value \\"bad\\" for ETCD_INITIAL_CLUSTER_STATE: invalid value',
  },
  { args: ["--election-timeout=1s"], code: 2, text: 'invalid value "1s" for flag -election-timeout: parse error' },
  { args: ["--max-txn-ops=-1"], code: 2, text: 'invalid value "-1" for flag -max-txn-ops: parse error' },
  {
    args: ["--listen-client-urls=http://127.0.0.1:0"],
    code: 1,
    text: "--advertise-client-urls is required when --listen-client-urls is set explicitly",
  },
  {
    args: ["--heartbeat-interval=500"],
    code: 1,
    text: "--election-timeout[1000ms] should be at least as 5 times as --heartbeat-interval[500ms]",
  },
  {
    args: ["--election-timeout=60000"],
    code: 1,
    text: "--election-timeout[60000ms] is too long, and should be set less than 50000ms",
  },
  { args: ["--heartbeat-interval=0"], code: 1, text: "--heartbeat-interval must be >0 (set to 0ms)" },
  { args: ["--election-timeout=0"], code: 1, text: "--election-timeout must be >0 (set to 0ms)" },
  { args: ["--listen-peer-urls=http://foo:2380"], code: 1, text: "expected IP in URL for binding (http://foo:2380)" },
  { args: ["extra"], code: 1, text: '"extra" is not a valid flag' },
  {
    args: ["--listen-peer-urls=https://127.0.0.1:0"],
    code: 1,
    text: "cannot listen on TLS for 127.0.0.1:0: KeyFile and CertFile are not presented",
  },
  {
    args: [...secureUrls, "--cert-file=nowhere.pem", "--key-file=nowhere.pem", peer],
    code: 1,
    text: 'open nowhere.pem: no such file or directory"',
  },
  {
    args: secureUrls,
    code: 1,
    text: "TLS key/cert (--cert-file, --key-file) must be provided for client url https://127.0.0.1:0 with HTTPS scheme",
  },
  {
    args: ["--name=x", "--initial-cluster=y=http://localhost:2380", peer],
    code: 1,
    text: `couldn't find local name \\"x\\" in the initial cluster configuration`,
  },
  {
    args: ["--name=x", "--initial-cluster=x=http://127.0.0.1:32380", peer],
    code: 1,
    text: "--initial-cluster has x=http://127.0.0.1:32380 but missing from --initial-advertise-peer-urls=http://localhost:2380",
  },
  {
    args: [
      ...["--name=a", "--initial-advertise-peer-urls=http://127.0.0.1:1", peer],
      "--initial-cluster=a=http://127.0.0.1:1,b=http://127.0.0.1:1",
    ],
    code: 1,
    text: "initial cluster a=http://127.0.0.1:1,b=http://127.0.0.1:1 has duplicate url",
  },
  {
    args: ["--name=x"],
    env: { ETCD_NAME: "x" },
    code: 1,
    text:
      'conflicting environment variable \\"ETCD_NAME\\" is shadowed by corresponding command-line flag ' +
      "(either unset environment variable or disable flag)",
  },
];

/** Flags that keep a member that does start away from etcd's default ports. */
const harmless = ["--listen-client-urls=http://127.0.0.1:0", "--advertise-client-urls=http://127.0.0.1:0"];

/** Number of concurrent processes: the cores of CI. */
const atOnce = 2;

test("invalid and contradicting flags are refused with etcd's texts", async () => {
  await using folder = await tempFolder();
  const queue = refusals.entries();
  const work = async (): Promise<void> => {
    for (const [n, { args, env = {}, code, text }] of queue) {
      const client = args.some((arg) => arg.includes("client-urls")) ? [] : harmless;
      const cwd = folder.path;
      const result = await runMinietcd([`--data-dir=${n}`, ...client, ...args], { cwd, env });
      const row = `minietcd ${args.join(" ")} ${JSON.stringify(env)}\n${result.stderr}`;
      assert.equal(result.code, code, row);
      assert.ok(result.stderr.includes(text), row);
      assert.equal(result.stdout, "", row);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, work));
});

test("--help names every flag, and etcd's default of those that work", async () => {
  const { code, stdout, stderr } = await runMinietcd(["--help"]);
  assert.equal(code, 0);
  assert.equal(stderr, "");
  for (const { name, fallback, effect } of allFlags) {
    const described = new RegExp(`^ +--${name} <[^]*?(?=^ +-|^$)`, "m").exec(stdout)?.[0] ?? "";
    if (effect.kind === "works")
      assert.ok(described.replace(/\s+/g, " ").includes(fallback), `--${name}: ${described}`);
    else assert.match(stdout, new RegExp(` --${name.replaceAll(".", "\\.")}(?= |$)`, "m"));
  }
  for (const args of [["-h"], ["-help"], ["--name=x", "--help"]])
    assert.equal((await runMinietcd(args)).stdout, stdout);
});

test("an unknown flag of a command is named with its digits and capitals", async () => {
  const { code, stderr } = await runMinietcd(["cluster", "--enable-V2"]);
  assert.equal(code, 2);
  assert.equal(stderr, "flag provided but not defined: -enable-V2\nSee 'minietcd cluster --help'.\n");
});

for (const flag of ["--version", "-version"])
  test(`${flag} prints four lines, the first as etcd's`, async () => {
    const { code, stdout } = await runMinietcd([flag]);
    assert.equal(code, 0);
    assert.match(stdout, /^etcd Version: 3\.7\.\d+\n(.+: .+\n){3}$/);
  });

/** Starts a single member on unix sockets. */
const startMember = (
  folder: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): AsyncDisposable & { readonly process: MinietcdProcess; readonly client: Client } => {
  const socket = join(folder, "client");
  const process = MinietcdProcess.start(
    [
      ...args,
      `--listen-client-urls=unix://${socket}`,
      `--listen-peer-urls=unix://${join(folder, "peer")}`,
      `--initial-advertise-peer-urls=unix://${join(folder, "peer")}`,
    ],
    { cwd: folder, env: { ETCD_ADVERTISE_CLIENT_URLS: `unix://${socket}`, ...env } },
  );
  const client = patientClient({ endpoints: [`unix:${socket}`] });
  return {
    process,
    client,
    [Symbol.asyncDispose]: async () => {
      await client.close();
      await process[Symbol.asyncDispose]();
    },
  };
};

const messageOf = async (call: Promise<unknown>): Promise<string> => {
  const error: unknown = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof EtcdError);
  return error.message;
};

test("each flag and its variable has the documented effect", async () => {
  await using folder = await tempFolder();
  await using member = startMember(folder.path, ["-max-txn-ops", "2", "--snapshot-count=10"], {
    ETCD_NAME: "from-env",
    ETCD_MAX_REQUEST_BYTES: "1000",
    ETCD_QUOTA_BACKEND_BYTES: "8589934592",
    ETCD_MEMORY_MLOCK: "true",
    ETCD_MAX_WALS: "5", // the default value: no warning
    ETCD_LOG_LEVEL: "warn",
    ETCD_SOMETHING_ELSE: "1",
    ETCD_INITIAL_CLUSTER_TOKEN: "mine",
  });
  const { client, process } = member;
  const { members, header } = await client.cluster.memberList();
  assert.deepEqual(
    members.map(({ name, clientURLs, peerURLs }) => ({ name, clientURLs, peerURLs })),
    [
      {
        name: "from-env",
        clientURLs: [`unix://${join(folder.path, "client")}`],
        peerURLs: [`unix://${join(folder.path, "peer")}`],
      },
    ],
  );
  assert.equal(await messageOf(client.kv.put("k", "x".repeat(1_000))), "etcdserver: request is too large");
  const puts = ["a", "b", "c"].map((key) => ({ op: "put", key, value: "v" }) as const);
  assert.equal(await messageOf(client.kv.txn({ success: puts })), "etcdserver: too many operations in txn request");
  await client.kv.txn({ success: puts.slice(1) });
  assert.equal((await client.maintenance.status(`unix:${join(folder.path, "client")}`)).dbSizeQuota, 8_589_934_592);

  const warnings = process.log.map(({ level, msg, variable }) => ({ level, msg, variable }));
  assert.deepEqual(
    warnings.sort((a, b) => String(a.msg).localeCompare(String(b.msg))),
    [
      {
        level: "warn",
        msg: "ETCD_MEMORY_MLOCK has no effect: Node cannot lock its memory",
        variable: undefined,
      },
      { level: "warn", msg: "unrecognized environment variable", variable: "ETCD_SOMETHING_ELSE" },
    ],
  );
  assert.equal(process.stdout, "");

  // Another token makes another cluster, even if everything else is equal.
  await using elsewhere = await tempFolder();
  await using other = startMember(elsewhere.path, ["--name=from-env", "--log-level=error"]);
  assert.notEqual((await other.client.cluster.memberList()).header.clusterId, header.clusterId);
  assert.equal(other.process.stderr, "");
});

test("without --name and --data-dir the member is `default` in default.etcd, and a restart ignores initial flags", async () => {
  await using folder = await tempFolder();
  const memberAndCluster = async (...args: string[]) => {
    await using member = startMember(folder.path, args);
    const { members, header } = await member.client.cluster.memberList();
    const [{ ID, name } = { ID: 0n, name: "" }] = members;
    await member.process.end("SIGTERM");
    return { ID, name, clusterId: header.clusterId };
  };
  const first = await memberAndCluster();
  assert.equal(first.name, "default");
  const again = await memberAndCluster(
    "--data-dir=default.etcd",
    "--initial-cluster-state=existing",
    "--initial-cluster-token=x",
  );
  assert.deepEqual(again, first);
});

test("a configuration file starts a member, flags and variables are ignored, and its log goes to a file", async () => {
  await using folder = await tempFolder();
  const [client, peer] = [`unix://${join(folder.path, "client")}`, `unix://${join(folder.path, "peer")}`];
  const text = {
    name: "filed",
    "data-dir": join(folder.path, "data"),
    "listen-client-urls": client,
    "advertise-client-urls": client,
    "listen-peer-urls": peer,
    "initial-advertise-peer-urls": peer,
    "log-outputs": [join(folder.path, "log"), "stdout"],
    "log-format": "console",
    "max-wals": 9,
  };
  writeFileSync(join(folder.path, "etcd.json"), JSON.stringify(text)); // JSON is valid YAML
  await using process = MinietcdProcess.start(["--name=line", "--config-file=etcd.json"], {
    cwd: folder.path,
    env: { ETCD_MAX_TXN_OPS: "x" },
  });
  await process.waitFor("readiness", ({ stdout }) => stdout.includes("ready to serve") || undefined);
  const endpoint = `unix:${join(folder.path, "client")}`;
  const member = new Client({ endpoints: [endpoint], dialTimeoutMs: 15_000, requestTimeoutMs: 15_000 });
  assert.equal((await member.cluster.memberList()).members[0]?.name, "filed");
  await member.close();
  const log = readFileSync(join(folder.path, "log"), "utf8");
  assert.match(log, /^\S+\tinfo\tloaded server configuration, other configuration .*\t\{"path":"etcd.json"\}$/m);
  assert.match(log, /^\S+\twarn\tmax-wals in etcd.json has no effect: /m);
  assert.equal(process.stderr, "");
});

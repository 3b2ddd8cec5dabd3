import assert from "node:assert/strict";
import { test } from "node:test";
import { configFromFlags, defaultFlags, FlagError, type ServerFlags } from "../../../server/config/config.js";
import { StartError } from "../../../server/base/errors.js";
import { clusterIdOf, memberIdOf } from "../../../server/config/identity.js";
import { createLogger, errorText, formatId } from "../../../server/base/logger.js";
import { bindAddresses, formatAddress, isLoopback, parseMemberUrl, UrlError } from "../../../server/base/urls.js";
import { recordingLogger } from "../member/member-fixtures.js";
import { toMemberId } from "../../../testing/ids.js";

const config = (flags: Partial<ServerFlags> = {}) => configFromFlags({ ...defaultFlags, ...flags });

test("ids are those that etcd computes", () => {
  const member = memberIdOf(["http://localhost:2380"], "etcd-cluster");
  assert.equal(formatId(member), "8e9e05c52164694d");
  assert.equal(formatId(clusterIdOf([member])), "cdf818194e3a8c32");
  assert.equal(memberIdOf(["b", "a"], "t"), memberIdOf(["a", "b"], "t"));
  assert.equal(clusterIdOf([toMemberId(2n), toMemberId(1n)]), clusterIdOf([toMemberId(1n), toMemberId(2n)]));
});

test("the configuration without flags is etcd's single member", () => {
  const { member, urls, initialCluster, raft, store, monitoring } = config();
  assert.deepEqual([member.name, member.dataDir], ["default", "default.etcd"]);
  assert.deepEqual(
    [urls.listenClient, urls.advertiseClient, urls.listenPeer].map((each) => each.map(({ text }) => text)),
    [["http://localhost:2379"], ["http://localhost:2379"], ["http://localhost:2380"]],
  );
  assert.deepEqual(initialCluster.members, [{ name: "default", peerUrls: ["http://localhost:2380"] }]);
  assert.deepEqual(
    [raft.heartbeatMs, raft.electionMs, store.maxTxnOps, store.maxRequestBytes, monitoring.logLevel],
    [100, 1_000, 128, 1_572_864, "info"],
  );
  assert.deepEqual([raft.snapshotCount, raft.snapshotCatchUpEntries], [10_000, 5_000]);
  assert.equal(config({ snapshotCount: "0" }).raft.snapshotCount, 10_000, "as in etcd");
  assert.deepEqual([store.quotaBytes, store.shouldDisarmItself], [2 ** 31, false]);
  assert.deepEqual(
    ["-1", "1", "0x10"].map((quotaBackendBytes) => config({ quotaBackendBytes }).store.quotaBytes),
    [-1, 1, 16],
  );
});

/** A client URL with https, and a certificate for it. */
const secure = { listenClientUrls: "https://127.0.0.1:1", advertiseClientUrls: "https://127.0.0.1:1" };
const certificate = { ...secure, certFile: "c", keyFile: "k" };

const tlsRows: [flags: Partial<ServerFlags>, kind: typeof FlagError | typeof StartError, message: RegExp][] = [
  [
    secure,
    StartError,
    /^TLS key\/cert \(--cert-file, --key-file\) must be provided for client url https:\/\/127\.0\.0\.1:1 with/,
  ],
  [{ ...secure, certFile: "c" }, StartError, /^KeyFile and CertFile must both be present\[key: , cert: c\]$/],
  [{ peerCertFile: "c" }, StartError, /^KeyFile and CertFile must both be present\[key: , cert: c\]$/],
  [
    { peerCertFile: "c", peerKeyFile: "k", peerClientKeyFile: "x" },
    StartError,
    /^ClientKeyFile and ClientCertFile must both be present or both absent: key: x, cert: \]$/,
  ],
  [
    { ...certificate, clientCertAllowedCn: "a,b", clientCertAllowedHostname: "c" },
    StartError,
    /^AllowedCNs and AllowedHostnames are mutually exclusive \(cns=\["a" "b"\], hostnames=\["c"\]\)$/,
  ],
  [
    { ...secure, autoTls: "true", selfSignedCertValidity: "0" },
    StartError,
    /^selfSignedCertValidity is invalid,it should/,
  ],
  [
    { tlsMinVersion: "TLS1.3", tlsMaxVersion: "TLS1.2" },
    StartError,
    /^min version \(TLS1\.3\) is greater than max version \(TLS1\.2\)$/,
  ],
  [{ tlsMinVersion: "TLS1.1" }, StartError, /^unexpected TLS version "TLS1\.1"/],
  [{ cipherSuites: "TLS_X" }, StartError, /^unexpected TLS cipher suite "TLS_X"$/],
  [{ cipherSuites: "TLS_RSA_WITH_RC4_128_SHA" }, StartError, /this Node\.js does not have it$/],
  [
    { cipherSuites: "TLS_AES_128_GCM_SHA256", tlsMinVersion: "TLS1.3" },
    StartError,
    /^cipher suites cannot be configured when only TLS1\.3 is enabled$/,
  ],
  [{ clientCertAuth: "perhaps" }, FlagError, /^invalid boolean value "perhaps" for -client-cert-auth/],
];

test("certificates without an https URL cause a warning, and the TLS settings follow the flags", () => {
  const { tls } = configFromFlags({
    ...defaultFlags,
    certFile: "c",
    keyFile: "k",
    clientCertAuth: "true",
    autoTls: "true",
  }).security;
  assert.equal(tls.client, undefined);
  assert.deepEqual(tls.warnings, [
    "ignoring client auto TLS since certs given",
    "scheme is http while key and cert files are present; ignoring key and cert files for http://localhost:2379",
    "scheme is http while --client-cert-auth is enabled; ignoring client cert auth for http://localhost:2379",
  ]);
  const { client } = configFromFlags({
    ...defaultFlags,
    ...certificate,
    trustedCaFile: "ca",
    clientCertAuth: "true",
  }).security.tls;
  assert.ok(client !== undefined);
  assert.deepEqual(client.certificate, { cert: "c", key: "k" });
  assert.deepEqual([client.rules.trustedCa, client.rules.isRequired, client.namesUser], ["ca", true, true]);
  const automatic = configFromFlags({ ...defaultFlags, ...secure, autoTls: "true", trustedCaFile: "ca" }).security.tls
    .client;
  assert.ok(automatic !== undefined);
  assert.deepEqual(automatic.certificate, { validYears: 1 });
  assert.equal(automatic.rules.isRequired, false); // etcd requires no client certificates with --auto-tls, either
});

test("invalid and contradicting flags are refused with etcd's texts", () => {
  const rows: [flags: Partial<ServerFlags>, kind: typeof FlagError | typeof StartError, text: RegExp][] = [
    [{ electionTimeout: "1s" }, FlagError, /^invalid value "1s" for flag -election-timeout: parse error$/],
    [{ maxTxnOps: "-1" }, FlagError, /-max-txn-ops: parse error/],
    [{ snapshotCount: "many" }, FlagError, /^invalid value "many" for flag -snapshot-count: parse error$/],
    [
      { snapshotCatchupEntries: "-1" },
      FlagError,
      /^invalid value "-1" for flag -snapshot-catchup-entries: parse error$/,
    ],
    [{ maxRequestBytes: "99999999999999999999" }, FlagError, /-max-request-bytes: value out of range/],
    [{ initialClusterState: "newer" }, FlagError, /-initial-cluster-state: invalid value/],
    [{ logLevel: "loud" }, FlagError, /-log-level: invalid value/],
    [{ listenPeerUrls: "localhost:2380" }, FlagError, /URL scheme must be http, https, unix, or unixs: localhost:2380/],
    [{ listenPeerUrls: "http://localhost" }, FlagError, /URL address does not have the form "host:port"/],
    [{ listenPeerUrls: "http://localhost:1/x" }, FlagError, /URL must not contain a path/],
    [
      { listenPeerUrls: "https://localhost:1" },
      StartError,
      /^cannot listen on TLS for localhost:1: KeyFile and CertFile are not/,
    ],
    ...tlsRows,
    [
      { listenPeerUrls: "http://example.com:1" },
      StartError,
      /^expected IP in URL for binding \(http:\/\/example.com:1\)$/,
    ],
    [
      { listenClientUrls: "http://localhost:1" },
      StartError,
      /^--advertise-client-urls is required when --listen-client-urls is set explicitly$/,
    ],
    [{ heartbeatInterval: "0" }, StartError, /^--heartbeat-interval must be >0 \(set to 0ms\)$/],
    [{ electionTimeout: "0" }, StartError, /^--election-timeout must be >0/],
    [
      { electionTimeout: "499" },
      StartError,
      /^--election-timeout\[499ms\] should be at least as 5 times as --heartbeat/,
    ],
    [{ electionTimeout: "50001" }, StartError, /^--election-timeout\[50001ms\] is too long/],
    [{ initialCluster: "http://a:1" }, StartError, /expected name=peer-url/],
    [{ initialCluster: "a=http://a" }, StartError, /^--initial-cluster has "a=http:\/\/a": URL address/],
  ];
  for (const [flags, kind, text] of rows)
    assert.throws(
      () => config(flags),
      (error) => error instanceof kind && text.test(error.message),
      JSON.stringify(flags),
    );
});

test("a name may have several peer URLs", () => {
  assert.deepEqual(config({ initialCluster: "a=http://h:2,b=http://i:1,a=http://h:1" }).initialCluster.members, [
    { name: "a", peerUrls: ["http://h:1", "http://h:2"] },
    { name: "b", peerUrls: ["http://i:1"] },
  ]);
});

test("the URL of a member is a TCP address or the path of a unix socket; other URLs are refused", () => {
  assert.deepEqual(parseMemberUrl("http://[::1]:2380").address, { kind: "tcp", host: "::1", port: 2380 });
  assert.deepEqual(parseMemberUrl("unix:///run/s").address, { kind: "unix", path: "/run/s" });
  assert.deepEqual(parseMemberUrl("unix://s").address, { kind: "unix", path: "s" });
  for (const bad of ["", "http://", "http://h:65536", "http://h:1?x", "http://:1", "unix://", "ftp://h:1", "h:1"])
    assert.throws(() => parseMemberUrl(bad), UrlError, bad);
  assert.deepEqual(bindAddresses({ kind: "tcp", host: "localhost", port: 1 }).map(formatAddress), [
    "127.0.0.1:1",
    "[::1]:1",
  ]);
  assert.equal(isLoopback({ kind: "tcp", host: "0.0.0.0", port: 1 }), false);
  assert.equal(isLoopback({ kind: "tcp", host: "127.8.8.8", port: 1 }), true);
});

test("the console format is time, level, message and fields, separated by tabs", () => {
  const written: string[] = [];
  const write = (line: string): void => void written.push(line);
  const logger = createLogger({ level: "info", format: "console", write, timestamp: () => "T" });
  logger.info("text");
  logger.warn("more", { id: 255n });
  assert.deepEqual(written, ["T\tinfo\ttext\n", 'T\twarn\tmore\t{"id":"ff"}\n']);
});

test("a log line is one JSON object: ids in hex, errors with their causes, nothing below the level", () => {
  const { logger, lines } = recordingLogger();
  logger.warn("text\nwith a break", { id: 255n, error: new Error("outer", { cause: new Error("inner") }) });
  assert.deepEqual(lines, [
    { level: "warn", ts: "2000-01-01T00:00:00.000Z", msg: "text\nwith a break", id: "ff", error: "outer: inner" },
  ]);
  assert.equal(errorText("thrown text"), "thrown text");
  assert.equal(formatId(-1n), "ffffffffffffffff");
  const written: string[] = [];
  const quiet = createLogger({ level: "error", write: (line) => written.push(line), timestamp: () => "" });
  quiet.debug("a");
  quiet.info("b");
  quiet.warn("c");
  quiet.error("d");
  quiet.fatal("e");
  assert.deepEqual(
    written.map((line) => (JSON.parse(line) as { level: string }).level),
    ["error", "fatal"],
  );
});

test("lease checkpoints are on unless one of their gates is off", () => {
  const isOn = (featureGates: string) => config({ featureGates }).store.leaseCheckpointMs !== undefined;
  for (const text of ["", "LeaseCheckpoint=true,LeaseCheckpointPersist=true", "CompactHashCheck=true", "AllBeta=false"])
    assert.equal(isOn(text), true, text);
  for (const text of [
    "LeaseCheckpoint=false",
    "LeaseCheckpointPersist=f",
    "LeaseCheckpoint=true,LeaseCheckpoint=0",
    "AllAlpha=false",
  ])
    assert.equal(isOn(text), false, text);
  assert.equal(isOn("AllAlpha=false,LeaseCheckpoint=true"), true);
  assert.throws(
    () => isOn("LeaseCheckpoint=false,LeaseCheckpointPersist=true"),
    /^StartError: enabling feature gate LeaseCheckpointPersist requires enabling feature gate LeaseCheckpoint$/,
  );
});

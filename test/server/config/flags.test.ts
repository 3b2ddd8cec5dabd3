// The table of flags, row by row: on the command line, as a variable, and as a key of a file.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { configFromFlags, defaultFlags, FlagError } from "../../../server/config/config.js";
import { StartError } from "../../../server/base/errors.js";
import { readCommandLine } from "../../../server/config/command-line.js";
import { variableOf, type Flag } from "../../../server/config/flag.js";
import { readSettings, type MemberSettings } from "../../../server/config/read-settings.js";
import { meaningOf, propertyOf } from "../../../server/config/settings.js";
import { allFlags, findFlag } from "../../../server/config/flag-table.js";
import { FlagValueError, parseFlagValue } from "../../../server/config/flag-values.js";
import { temporaryDirectory } from "../member/member-fixtures.js";

const settingsOf = (args: readonly string[], environment: Readonly<NodeJS.ProcessEnv> = {}): MemberSettings => {
  const commandLine = readCommandLine(args);
  assert.ok(commandLine.kind === "flags");
  return readSettings(commandLine.given, environment);
};

/** Returns a value that differs from the default. */
const valueToAsk = (flag: Flag): string => {
  const special = askingValues[meaningOf(flag).name];
  if (special !== undefined) return special;
  switch (flag.kind) {
    case "bool":
      return flag.fallback === "true" ? "false" : "true";
    case "int":
    case "uint":
    case "uint32":
      return "7";
    case "duration":
      return "1h30m";
    case "urls":
    case "origins":
      return "http://127.0.0.1:9";
    case "gates":
      return "LeaseCheckpoint=true";
    case "any":
    case "string":
    case "strings":
      return "x";
    default:
      return flag.kind.oneOf.find((choice) => choice !== flag.fallback) ?? "";
  }
};
const askingValues: Readonly<Record<string, string | undefined>> = {
  "initial-cluster": "default=http://localhost:2380",
  "auto-compaction-mode": "revision",
  "auto-compaction-retention": "3",
  "discovery-fallback": "exit",
  "log-format": "console",
  logger: "zap",
  "tls-min-version": "TLS1.3",
  "tls-max-version": "TLS1.3",
  "socket-reuse-address": "false",
  "enable-grpc-gateway": "true",
  "v2-deprecation": "write-only-drop-data",
};
/** Flags whose every valid value has the effect of the default. */
const askNothing = [
  ...["discovery-fallback", "logger", "socket-reuse-address", "enable-grpc-gateway"],
  ...["experimental-enable-lease-checkpoint", "experimental-enable-lease-checkpoint-persist"],
];

interface Way {
  readonly label: string;
  readonly read: () => MemberSettings;
  /** Whether the flag is given on the command line, where flags that 3.7 has removed are reported as undefined. */
  readonly isCommandLine?: true;
}

const waysOf = (flag: Flag): readonly Way[] => {
  const value = valueToAsk(flag);
  return [
    { label: `--${flag.name}`, read: () => settingsOf([`--${flag.name}=${value}`]), isCommandLine: true },
    { label: variableOf(flag.name), read: () => settingsOf([], { [variableOf(flag.name)]: value }) },
  ];
};

const checkRow = (flag: Flag, { label, read, isCommandLine }: Way): void => {
  const meaning = meaningOf(flag);
  const { effect } = meaning;
  if (effect.kind === "refused") {
    const old = isCommandLine && flag.until !== undefined;
    const expected = old ? `flag provided but not defined: -${flag.name}\n` : `${label} cannot be used: ${effect.why}`;
    assert.throws(
      read,
      (error) => error instanceof (old ? FlagError : StartError) && error.message.startsWith(expected),
    );
    return;
  }
  const { flags, warnings } = read();
  const oldName = flag === meaning ? [] : [`${label} is an old name, use --${meaning.name}`];
  if (effect.kind === "works") {
    assert.deepEqual({ ...flags }, { ...defaultFlags, [propertyOf(meaning.name)]: valueToAsk(flag) });
    assert.deepEqual(warnings, oldName);
    return;
  }
  assert.ok(effect.kind === "no-effect");
  const warning = askNothing.includes(meaning.name) ? [] : [`${label} has no effect: ${effect.why}`];
  assert.deepEqual(warnings, [...oldName, ...warning]);
  assert.deepEqual(flags, defaultFlags);
};

for (const flag of allFlags.filter(({ name }) => name !== "config-file"))
  test(`--${flag.name} and its variable have the effect, the warning or the refusal of the table`, () => {
    for (const way of waysOf(flag)) checkRow(flag, way);
  });

test("a flag with etcd's default, or a harmless value, is the same as no flag", () => {
  for (const flag of allFlags) {
    if (flag.kind === "any" || flag.fallback.includes("$")) continue;
    for (const value of [flag.fallback, ...(flag.harmless ?? [])])
      if (flag.effect.kind !== "works" && flag.effect.kind !== "same-as")
        assert.deepEqual(settingsOf([`--${flag.name}=${value}`]).warnings, [], `--${flag.name}=${value}`);
  }
});

test("the defaults of the table are those of the member", () => {
  const working = allFlags.filter(({ effect, name }) => effect.kind === "works" && name !== "config-file");
  assert.deepEqual(working.map(({ name }) => propertyOf(name)).sort(), Object.keys(defaultFlags).sort());
  const derived = ["data-dir", "listen-client-urls", "advertise-client-urls", "initial-cluster"];
  for (const { name, fallback } of working)
    assert.equal(
      defaultFlags[propertyOf(name) as keyof typeof defaultFlags],
      derived.includes(name) ? undefined : fallback,
      name,
    );
});

test("each name is listed once, and an old name refers to a listed one", () => {
  assert.equal(new Set(allFlags.map(({ name }) => name)).size, allFlags.length);
  for (const { effect, name } of allFlags)
    if (effect.kind === "same-as") assert.ok(findFlag(effect.flag) !== undefined, name);
});

const refusal = (args: readonly string[], environment: Readonly<NodeJS.ProcessEnv> = {}): string => {
  try {
    settingsOf(args, environment);
  } catch (error) {
    if (error instanceof FlagError) return `2: ${error.message}`;
    if (error instanceof StartError) return `1: ${error.message}`;
    throw error;
  }
  return "taken";
};

test("the command line is read as Go reads it", () => {
  assert.deepEqual(readCommandLine(["-h"]), { kind: "help" });
  assert.deepEqual(readCommandLine(["--name", "x", "-help"]), { kind: "help" });
  assert.deepEqual(readCommandLine(["--version"]), { kind: "version" });
  assert.deepEqual(readCommandLine(["--name=x", "word", "--bogus"]), { kind: "word", word: "word" });
  assert.deepEqual(readCommandLine(["--pre-vote", "false"]), { kind: "word", word: "false" });
  assert.deepEqual(readCommandLine(["-"]), { kind: "word", word: "-" });
  assert.deepEqual(readCommandLine(["--", "x"]), { kind: "word", word: "x" });
  assert.equal(settingsOf(["-name", "--x"]).flags.name, "--x");
  assert.equal(settingsOf(["--name=a=b", "--max-txn-ops", "0x10"]).flags.name, "a=b");
  assert.equal(settingsOf(["--name=a", "--name=b"]).flags.name, "b");
  assert.deepEqual(settingsOf(["--pre-vote", "--unsafe-no-fsync=F"]).warnings, []);
});

test("an unreadable value is refused in etcd's words, with its exit code", () => {
  const rows: [args: readonly string[], answer: string][] = [
    [["--enable-v3X"], "2: flag provided but not defined: -enable-v3X"],
    [["--max-walls=1"], "2: flag provided but not defined: -max-walls\nDid you mean --max-wals?"],
    [["--name"], "2: flag needs an argument: -name"],
    [["--=x"], "2: bad flag syntax: --=x"],
    [["---x"], "2: bad flag syntax: ---x"],
    [["--pre-vote=maybe"], '2: invalid boolean value "maybe" for -pre-vote: parse error'],
    [["--max-wals=-1"], '2: invalid value "-1" for flag -max-wals: parse error'],
    [["--max-wals=08"], '2: invalid value "08" for flag -max-wals: parse error'],
    [
      ["--max-wals=99999999999999999999"],
      '2: invalid value "99999999999999999999" for flag -max-wals: value out of range',
    ],
    [["--grpc-keepalive-min-time=5"], '2: invalid value "5" for flag -grpc-keepalive-min-time: parse error'],
    [
      ["--max-concurrent-streams=-1"],
      '2: invalid value "-1" for flag -max-concurrent-streams: strconv.ParseUint: parsing "-1": invalid syntax',
    ],
    [
      ["--max-concurrent-streams=4294967296"],
      '2: invalid value "4294967296" for flag -max-concurrent-streams: ' +
        'strconv.ParseUint: parsing "4294967296": value out of range',
    ],
    [["--cors=x"], '2: invalid value "x" for flag -cors: URL scheme must be http, https, unix, or unixs: x'],
    [["--feature-gates=X=true"], '2: invalid value "X=true" for flag -feature-gates: unrecognized feature gate: X'],
    [
      ["--feature-gates=LeaseCheckpint=true"],
      '2: invalid value "LeaseCheckpint=true" for flag -feature-gates: ' +
        "unrecognized feature gate: LeaseCheckpint (did you mean LeaseCheckpoint?)",
    ],
    [
      ["--feature-gates=AllAlpha"],
      '2: invalid value "AllAlpha" for flag -feature-gates: missing bool value for AllAlpha',
    ],
    [["--logger=capnslog"], "1: --logger=capnslog is removed in v3.5"],
    [["--logger=x"], '1: unknown logger option "x"'],
    [["--log-format=x"], "1: unknown log format: x, supported values json, console"],
    [["--tls-min-version=TLS1.1"], '1: unexpected TLS version "TLS1.1" (must be one of: TLS1.2, TLS1.3)'],
    [["--compact-hash-check-time=0"], "1: --compact-hash-check-time must be >0 (set to 0s)"],
    [["--auto-compaction-mode=x"], '1: unknown auto-compaction-mode "x"'],
    [["--auto-compaction-mode="], "1: undefined auto-compaction-mode"],
    [
      ["--discovery-fallback=proxy"],
      `1: v2 proxy is deprecated, and --discovery-fallback can't be configured as "proxy"`,
    ],
    [
      ["--warning-apply-duration=1s", "--experimental-warning-apply-duration=1s"],
      "1: cannot specify both flags: --experimental-warning-apply-duration is an old name of --warning-apply-duration",
    ],
  ];
  for (const [args, answer] of rows) assert.equal(refusal(args), answer);
  assert.equal(refusal([], { ETCD_PRE_VOTE: "maybe" }), '1: invalid value "maybe" for ETCD_PRE_VOTE: parse error');
  assert.equal(refusal([], { ETCD_PRE_VOTE: "" }), "taken");
  assert.match(refusal(["--name=x"], { ETCD_NAME: "x" }), /^1: conflicting environment variable "ETCD_NAME"/);
  assert.deepEqual(settingsOf([], { ETCD_X: "1", ETCD_VERSION: "3", X: "1", ETCD_DATA_DRI: "d" }).unknownVariables, [
    { name: "ETCD_X", didYouMean: undefined },
    { name: "ETCD_DATA_DRI", didYouMean: "ETCD_DATA_DIR" },
  ]);
});

test("auto-compaction: hours, durations and revisions as etcd reads them", () => {
  const read = (mode: string, retention: string) =>
    configFromFlags({ ...defaultFlags, autoCompactionMode: mode, autoCompactionRetention: retention }).store
      .autoCompaction;
  assert.equal(read("periodic", "0"), undefined);
  assert.equal(read("periodic", ""), undefined);
  assert.equal(read("revision", "0"), undefined);
  assert.deepEqual(read("periodic", "2"), { mode: "periodic", retentionMs: 7_200_000 });
  assert.deepEqual(read("periodic", "5m"), { mode: "periodic", retentionMs: 300_000 });
  assert.deepEqual(read("revision", "1000"), { mode: "revision", retention: 1_000 });
  assert.deepEqual(read("revision", "+5"), { mode: "revision", retention: 5 });
  assert.deepEqual(read("periodic", "+08"), { mode: "periodic", retentionMs: 8 * 3_600_000 });
  assert.equal(read("periodic", "-0"), undefined);
  assert.throws(
    () => read("periodic", "x"),
    /^StartError: error parsing CompactionRetention: time: invalid duration "x"/,
  );
  for (const text of ["0x10", "1_000", "99999999999999999999"])
    assert.throws(() => read("revision", text), StartError, text); // numbers without a unit are not valid here, unlike for other flags
  assert.throws(() => read("periodic", "-5"), /time: missing unit in duration "-5"$/);
  assert.throws(() => read("periodic", "-5m"), StartError);
  assert.throws(() => read("revision", "5m"), StartError);
});

test("numbers are read in Go's bases", () => {
  const rows = [
    ["0", 0],
    ["0x1F", 31],
    ["0b11", 3],
    ["0o17", 15],
    ["017", 15],
    ["1_000", 1_000],
    ["18446744073709551615", Number.MAX_SAFE_INTEGER],
  ] as const;
  for (const [text, value] of rows) assert.equal(parseFlagValue("uint", text), value, text);
  assert.equal(parseFlagValue("int", "-0x10"), -16);
  for (const text of ["", "_1", "1_", "0x", "09", "1.5", "1e3", " 1"])
    assert.throws(() => parseFlagValue("uint", text), FlagValueError, text);
});

const settingsFromFile = async (
  t: TestContext,
  text: string,
  args: readonly string[] = [],
): Promise<MemberSettings> => {
  const path = join(await temporaryDirectory(t), "etcd.yml");
  writeFileSync(path, text);
  return settingsOf([`--config-file=${path}`, ...args], { ETCD_MAX_WALS: "x", ETCD_NAME: "variable" });
};

test("with a configuration file flags and variables are ignored", async (t) => {
  const text = [
    "name: filed",
    "snapshot-count: 5",
    "watch-progress-notify-interval: 5000000000",
    'auto-compaction-retention: "1"',
    "log-outputs: [stderr, stdout]",
    "pre-vote: yes",
    "wal-dir:",
    "NOBODY-knows: 1",
    "snapshot-cuont: 1",
    "max-wals: 9",
    "client-transport-security: {cert-file: '', client-cert-auth: false}",
  ].join("\n");
  const settings = await settingsFromFile(t, text, ["--name=line", "--cert-file=x"]);
  assert.deepEqual(settings.flags, {
    ...defaultFlags,
    name: "filed",
    snapshotCount: "5",
    watchProgressNotifyInterval: "5000000000ns",
    autoCompactionRetention: "1",
    logOutputs: "stderr,stdout",
  });
  assert.deepEqual(settings.unknownKeys, [
    { name: "NOBODY-knows", didYouMean: undefined },
    { name: "snapshot-cuont", didYouMean: "snapshot-count" },
  ]);
  assert.deepEqual(settings.warnings, [
    `max-wals in ${settings.configFile} has no effect: --snapshot-count decides when segments of the log are removed`,
  ]);
  const config = configFromFlags(settings.flags);
  assert.deepEqual(
    [config.store.watchProgressMs, config.store.autoCompaction],
    [5_000, { mode: "periodic", retentionMs: 3_600_000 }],
  );
});

test("feature gates without effect cause a warning, unless they have etcd's default", () => {
  const warningsOf = (gates: string) => settingsOf([`--feature-gates=${gates}`]).warnings;
  assert.deepEqual(warningsOf("LeaseCheckpoint=false,CompactHashCheck=false,FastLeaseKeepAlive=true"), []);
  assert.deepEqual(warningsOf("CompactHashCheck=true,LeaseCheckpoint=true"), [
    "--feature-gates: CompactHashCheck=true has no effect",
  ]);
});

test("etcd's sample configuration file is accepted", async (t) => {
  const text = `
name: 'default'
data-dir:
wal-dir:
snapshot-count: 10000
heartbeat-interval: 100
election-timeout: 1000
quota-backend-bytes: 0
listen-peer-urls: http://localhost:2380
listen-client-urls: http://localhost:2379
max-snapshots: 5
max-wals: 5
cors:
initial-advertise-peer-urls: http://localhost:2380
advertise-client-urls: http://localhost:2379
discovery:
discovery-fallback: 'proxy'
discovery-proxy:
discovery-srv:
initial-cluster:
initial-cluster-token: 'etcd-cluster'
initial-cluster-state: 'new'
strict-reconfig-check: false
enable-pprof: true
proxy: 'off'
proxy-failure-wait: 5000
client-transport-security:
  cert-file:
  key-file:
  client-cert-auth: false
  trusted-ca-file:
  auto-tls: false
peer-transport-security:
  cert-file:
  auto-tls: false
  allowed-cn:
  allowed-hostname:
self-signed-cert-validity: 1
log-level: debug
logger: zap
log-outputs: [stderr]
force-new-cluster: false
auto-compaction-mode: periodic
auto-compaction-retention: "1"
cipher-suites: [
  TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
]
tls-min-version: 'TLS1.2'
tls-max-version: 'TLS1.3'
`;
  const { flags, warnings, unknownKeys } = await settingsFromFile(t, text);
  assert.deepEqual([flags.logLevel, flags.autoCompactionRetention, unknownKeys], ["debug", "1", []]);
  assert.deepEqual([flags.cipherSuites, flags.tlsMaxVersion], ["TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "TLS1.3"]);
  assert.deepEqual(
    warnings.map((warning) => warning.split(" ")[0]),
    ["discovery-fallback", "strict-reconfig-check", "enable-pprof"],
  );
});

test("the TLS sections of a configuration file set the TLS flags", async (t) => {
  const section = ["cert-file: c", "key-file: k", "client-cert-auth: true", "trusted-ca-file: ca"];
  const names = ["allowed-cn: [a, b]", "allowed-hostname: [c]", "auto-tls: true"];
  const lines = [...section, ...names].map((line) => `  ${line}\n`).join("");
  const { flags, warnings, unknownKeys } = await settingsFromFile(
    t,
    `client-transport-security:\n${lines}peer-transport-security:\n${lines}  skip-client-san-verification: true\n`,
  );
  assert.deepEqual([warnings, unknownKeys], [[], []]);
  assert.deepEqual(flags, {
    ...defaultFlags,
    ...{ certFile: "c", keyFile: "k", clientCertAuth: "true", trustedCaFile: "ca", autoTls: "true" },
    ...{ clientCertAllowedCn: "a,b", clientCertAllowedHostname: "c" },
    ...{
      peerCertFile: "c",
      peerKeyFile: "k",
      peerClientCertAuth: "true",
      peerTrustedCaFile: "ca",
      peerAutoTls: "true",
    },
    ...{ peerCertAllowedCn: "a,b", peerCertAllowedHostname: "c", peerSkipClientSanVerification: "true" },
  });
});

test("a configuration file with invalid values, or with refused flags, is refused", async (t) => {
  const cannot = "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal";
  const field = "into Go struct field configYAML.Config";
  const rows: [text: string, message: string][] = [
    ["pre-vote: maybe", `${cannot} string ${field}.pre-vote of type bool`],
    ['max-wals: "3"', `${cannot} string ${field}.max-wals of type uint`],
    ["max-wals: -3", `${cannot} number -3 ${field}.max-wals of type uint`],
    ["max-wals: 3.5", `${cannot} number 3.5 ${field}.max-wals of type uint`],
    ["name: 5", `${cannot} number ${field}.name of type string`],
    ["grpc-keepalive-interval: 5m", `${cannot} string ${field}.grpc-keepalive-interval of type time.Duration`],
    ["auto-compaction-retention: 1", `${cannot} number ${field}.auto-compaction-retention of type string`],
    ["log-outputs: stderr", `${cannot} string ${field}.log-outputs of type []string`],
    ["name: [", "error converting YAML to JSON: yaml: "],
    ["- a", "error unmarshaling JSON: while decoding JSON: "],
    [
      "client-transport-security: {allowed-cn: x}",
      `${cannot} string ${field}.client-transport-security.allowed-cn of type []string`,
    ],
    [
      "peer-transport-security: {auto-tls: x}",
      `${cannot} string ${field}.peer-transport-security.auto-tls of type bool`,
    ],
    ["force-new-cluster: true", "force-new-cluster in "],
  ];
  for (const [text, message] of rows)
    await assert.rejects(
      settingsFromFile(t, text),
      (error) => error instanceof StartError && error.message.startsWith(message),
      text,
    );
  assert.equal(refusal(["--config-file=/nowhere/x"]), "1: open /nowhere/x: no such file or directory");
  assert.equal(refusal([], { ETCD_CONFIG_FILE: "/nowhere/x" }), "1: open /nowhere/x: no such file or directory");
  await assert.rejects(settingsFromFile(t, "name: x", ["--max-wals=x"]), FlagError);
});

// minietcdctl as far as it differs from etcdctl: its own messages, refusals and errors; and each output once.
// Comparisons with etcdctl are in test/interop/etcdctl.

import { status } from "@grpc/grpc-js";
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:net";
import { Readable } from "node:stream";
import { describe, test } from "node:test";
import { createServer as createTlsServer } from "node:tls";
import { isDeepStrictEqual } from "node:util";
import { runProgram } from "../../../cli/ctl/program.js";
import { LeaseGrantResponse } from "../../../proto/index.js";
import { TestAuthority } from "../../support/certificates.js";
import { scaleMs } from "../../support/machine-speed.js";
import { FakeServer, type Answers } from "../../client/fake-server.js";

interface Run {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function run(words: readonly string[], env: NodeJS.ProcessEnv = {}, stdin = ""): Promise<Run> {
  const output = { stdout: "", stderr: "" };
  const code = await runProgram(words, {
    env,
    stdin: Readable.from([Buffer.from(stdin)]),
    print: (text) => (output.stdout += typeof text === "string" ? text : Buffer.from(text).toString()),
    note: (line) => (output.stderr += `${line}\n`),
  });
  return { code, ...output };
}

/** Runs one command line against a server with these answers. */
async function runOn(answers: Answers, words: readonly string[], stdin = ""): Promise<Run & { server: FakeServer }> {
  await using server = await FakeServer.start(answers);
  return { server, ...(await run(["--endpoints", server.endpoint, ...words], {}, stdin)) };
}

const failedRun = (code: number, stderr: string): Run => ({ code, stdout: "", stderr });

describe("help", () => {
  test("of the program names every command, and exits with 0", async () => {
    const { code, stdout } = await run(["--help"]);
    assert.equal(code, 0);
    for (const name of [
      "get",
      "put",
      "del",
      "txn",
      "compaction",
      "watch",
      "lease",
      "endpoint",
      "member",
      "alarm",
      "defrag",
      "lock",
      "elect",
      "version",
    ])
      assert.match(stdout, new RegExp(`^  ${name}\\b`, "m"));
    assert.deepEqual(await run([]), { code, stdout, stderr: "" });
    assert.deepEqual(await run(["help"]), { code, stdout, stderr: "" });
  });

  test("of each command has a description and an example", async () => {
    const namesBehind = (title: string, help: string): string[] =>
      [...(help.split(title)[1] ?? "").matchAll(/^ {2}([a-z][a-z-]*)/gm)].map(([, name]) => name ?? "");
    const commands: string[] = [];
    for (const name of namesBehind("Key-value commands\n", (await run(["--help"])).stdout)) {
      const members = namesBehind("Commands:\n", (await run([name, "-h"])).stdout);
      commands.push(...(members.length === 0 ? [name] : members.map((member) => `${name} ${member}`)));
    }
    assert.ok(commands.includes("role add") && commands.includes("get"), commands.join());
    for (const command of commands) {
      const { code, stdout } = await run([...command.split(" "), "-h"]);
      assert.equal(code, 0);
      assert.match(stdout, new RegExp(`^Usage: minietcdctl ${command}.*\n\n[A-Z].*\n`, "s"), command);
      assert.match(stdout, new RegExp(`Examples?:\n  \\$ .*minietcdctl .*${command}`, "s"), command);
      assert.match(stdout, /\n\nExamples?:\n.*\n\nUse "minietcdctl options" for a list of [^\n]*\n$/s, command);
    }
  });

  test("groups the commands as etcdctl's; options lists the global flags", async () => {
    const { stdout } = await run(["--help"]);
    const groups = ["Key-value", "Cluster maintenance", "Concurrency", "Utility"];
    assert.match(stdout, new RegExp(groups.map((name) => `^${name} commands$`).join("[^]*"), "m"));
    assert.doesNotMatch(stdout, /--endpoints <list>/);
    const options = await run(["options"]);
    assert.match(
      options.stdout,
      /^The following options can be passed to any command:\n\n {6}--auth-jwt-token <token> [^]*--hex /,
    );
    assert.match(options.stdout, /\n {2}-w, --write-out <format> .* \(default: simple\)\n/);
  });

  test("is printed for a group without a subcommand", async () => {
    const { code, stdout } = await run(["endpoint"]);
    assert.equal(code, 0);
    assert.match(stdout, /^ {2}health [^]*\n {2}status /m);
  });
});

describe("commands", () => {
  test("can be shortened, but not to a prefix of another etcdctl command", async () => {
    assert.match((await run(["vers"])).stdout, /^minietcdctl version: \d+\.\d+\.\d+\nAPI version: 3\.7\n$/);
    const stderr =
      'Error: unknown command "de" for "minietcdctl"\n' +
      "Run 'minietcdctl --help' for usage. It could be any of: defrag, del.\n";
    assert.deepEqual(await run(["de", "key"]), failedRun(1, stderr));
  });

  test("that a group does not have are an error", async () => {
    const stderr =
      'Error: unknown command "nope" for "minietcdctl endpoint"\nRun \'minietcdctl endpoint --help\' for usage.\n';
    assert.deepEqual(await run(["endpoint", "nope"]), failedRun(1, stderr));
  });

  test("--version without a command prints what version does; to a command it is an unknown flag", async () => {
    const version = await run(["version"]);
    assert.deepEqual(await run(["--version"]), version);
    assert.deepEqual(await run(["--hex", "--version", "-w", "json"]), version);
    assert.deepEqual(await run(["--version=false"]), await run([]));
    assert.deepEqual(await run(["--version", "-h"]), await run(["-h"]));
    const stderr = "Error: unknown flag: --version\nRun 'minietcdctl get --help' for usage.\n";
    for (const words of [
      ["get", "k", "--version"],
      ["--version", "get", "k"],
    ])
      assert.deepEqual(await run(words), failedRun(1, stderr));
    assert.match((await run(["-w", "x", "get", "k"], { ETCDCTL_VERSION: "3" })).stderr, /unrecognized environment/);
  });

  test("with an unknown flag point to their help", async () => {
    const stderr = "Error: unknown flag: --nope\nRun 'minietcdctl get --help' for usage.\n";
    assert.deepEqual(await run(["get", "k", "--nope"]), failedRun(1, stderr));
  });
});

describe("global flags", () => {
  const taken = [
    ["--endpoints", "ENDPOINT"],
    ["-w", "simple"],
    ["--write-out", "simple"],
    ["--hex"],
    ...["0s", "0", "-1s", "2000000h", "2562047h47m16s"].flatMap((duration) => [
      ["--dial-timeout", duration],
      ["--keepalive-time", duration],
      ["--keepalive-timeout", duration],
    ]),
    ["--command-timeout", "2000000h"],
    ["--debug"],
    ["--insecure-transport"],
    ["--user", "root:x"],
    ["--password", "x"],
    ["--auth-jwt-token", "x"],
    ["-d", ""],
    ["--discovery-srv-name", "x"],
    ["--insecure-discovery"],
  ];

  test("stand before the command, between its words or after them, with the value joined or apart", async () => {
    await using server = await FakeServer.start({ MemberList: { members: [] } });
    const env = { ETCDCTL_ENDPOINTS: server.endpoint };
    const places = (flag: readonly string[]) => [
      [...flag, "member", "list"],
      ["member", ...flag, "list"],
      ["member", "list", ...flag],
    ];
    for (const [name = "", value] of taken) {
      const filled = value === "ENDPOINT" ? server.endpoint : value;
      const joined = name.startsWith("--") ? [`${name}=${filled}`] : [`${name}${filled}`];
      const spellings = filled === undefined ? [[name]] : [[name, filled], ...(filled === "" ? [] : [joined])];
      for (const words of spellings.flatMap(places)) {
        const { code, stderr } = await run(words, name === "--endpoints" ? {} : env);
        assert.equal(code, 0, `${words.join(" ")}: ${stderr}`);
      }
    }
  });

  test("a command timeout of 0 or less fails before a request is sent", async () => {
    await using server = await FakeServer.start();
    const leases = ["lease grant 1", "lease revoke 1", "lease timetolive 1", "lease list", "lease keep-alive 1"];
    for (const command of ["get k", "put k v", "del k", "compaction 1", "member list", "endpoint health", ...leases])
      for (const duration of ["0s", "-1s"]) {
        const words = ["--endpoints", server.endpoint, `--command-timeout=${duration}`, ...command.split(" ")];
        const { code, stderr } = await run(words);
        assert.ok(code !== 0, command);
        assert.match(stderr, /context deadline exceeded/, command);
      }
    assert.equal(server.calls.length, 0);
  });

  test("a duration beyond Go's is refused as etcdctl refuses it", async () => {
    const stderr =
      'Error: invalid argument "99999999h" for "--command-timeout" flag: time: invalid duration "99999999h"\n';
    assert.deepEqual(await run(["--command-timeout=99999999h", "get", "k"]), failedRun(1, stderr));
  });
});

test("invalid TLS flags are refused with etcdctl's texts", async () => {
  const rows: [words: readonly string[], reason: string][] = [
    [["--cacert=nowhere.pem"], "open nowhere.pem: no such file or directory"],
    [["--cert=nowhere.pem", "--key=nowhere.pem"], "open nowhere.pem: no such file or directory"],
    [["--cert=c.pem"], "KeyFile and CertFile must both be present[key: , cert: c.pem]"],
    [["--key=k.pem"], "KeyFile and CertFile must both be present[key: k.pem, cert: ]"],
    [["--cacert="], "empty string is passed to --cacert option"],
    [["--cert=", "--key="], "empty string is passed to --cert option"],
  ];
  for (const [words, reason] of rows)
    assert.deepEqual(await run(["get", "k", ...words]), failedRun(128, `Error: ${reason}\n`), reason);
});

describe("arguments that are not UTF-8", () => {
  // Node replaces invalid bytes by U+FFFD, which would make another key than the requested one.
  test("are refused, as are keys in the environment", async () => {
    const reason = /^Error: arguments must be UTF-8, and without U\+FFFD: .* through standard input\n$/;
    for (const words of [
      ["put", "\ufffd", "v"],
      ["get", "--prefix", "a\ufffd"],
      ["watch", "k", "--", "echo", "\ufffd"],
    ]) {
      const { code, stderr } = await run(words);
      assert.equal(code, 128);
      assert.match(stderr, reason);
    }
    const { code, stderr } = await run(["watch"], { ETCDCTL_WATCH_KEY: "\ufffd" });
    assert.equal(code, 128);
    assert.match(stderr, reason);
  });
});

describe("environment", () => {
  test("an unknown variable causes a warning without its value", async () => {
    const { stderr } = await run(["get", "k", "-w", "x"], { ETCDCTL_PASWORD: "secret" });
    assert.match(stderr, /^Warning: unrecognized environment variable ETCDCTL_PASWORD\n/);
    assert.doesNotMatch(stderr, /secret/);
  });

  test("an invalid value of a variable is an error", async () => {
    const { code, stderr } = await run(["get", "k"], { ETCDCTL_HEX: "maybe" });
    assert.equal(code, 1);
    assert.match(stderr, /invalid argument "maybe" for "--hex" flag: strconv.ParseBool/);
  });

  test("an empty variable counts as unset, and other programs' variables are ignored", async () => {
    const { code, stderr } = await run(["get", "k", "-w", "x"], { ETCDCTL_HEX: "", ETCD_NAME: "x" });
    assert.deepEqual([code, stderr], [4, "Error: unsupported output format\n"]);
  });

  test("--debug prints the effective settings, but no secrets", async () => {
    const { stderr } = await run(["get", "k", "--debug"], { ETCDCTL_PASSWORD: "secret", ETCDCTL_DIAL_TIMEOUT: "90s" });
    assert.match(stderr, /^ETCDCTL_DIAL_TIMEOUT=1m30s$/m);
    assert.match(stderr, /^ETCDCTL_PASSWORD=\(hidden\)$/m);
    assert.match(stderr, /^ETCDCTL_ENDPOINTS=\[127\.0\.0\.1:2379\]$/m);
  });
});

describe("outputs", () => {
  const header = { clusterId: 2n ** 64n - 1n, memberId: 2n ** 63n + 1n, revision: 9n, raftTerm: 2n };

  test("ids of 64 bits are exact", async () => {
    const members = [{ ID: 2n ** 64n - 1n, name: "", peerURLs: ["http://a:1", "http://b:1"], isLearner: true }];
    const answers = { MemberList: { header: { ...header, revision: 0n }, members } };
    assert.equal(
      (await runOn(answers, ["member", "list"])).stdout,
      "ffffffffffffffff, unstarted, , http://a:1,http://b:1, , true\n",
    );
    assert.equal(
      (await runOn(answers, ["member", "list", "-w", "json"])).stdout,
      '{"header":{"cluster_id":18446744073709551615,"member_id":9223372036854775809,"raft_term":2},' +
        '"members":[{"ID":18446744073709551615,"peerURLs":["http://a:1","http://b:1"],"isLearner":true}]}\n',
    );
  });

  test("the status has the columns of etcdctl 3.7", async () => {
    const sizes = { dbSize: 25_000_000n, dbSizeInUse: 20n, dbSizeQuota: 2n ** 31n, storageVersion: "3.6.0" };
    const raft = { leader: header.memberId, raftIndex: 8n, raftTerm: 2n, raftAppliedIndex: 7n };
    const errors = ["etcdserver: no leader", "memberID:1 alarm:NOSPACE "];
    const { stdout, server } = await runOn({ Status: { header, version: "3.6.14", ...sizes, ...raft, errors } }, [
      ...["endpoint", "status"],
    ]);
    const columns = `${server.endpoint}, 8000000000000001, 3.6.14, 3.6.0, 25 MB, 20 B, 100%, 2.1 GB, true, false, 2, 8, 7`;
    assert.equal(stdout, `${columns}, etcdserver: no leader, memberID:1 alarm:NOSPACE , , false\n`);
  });

  test("alarms are listed in every format but table", async () => {
    const alarms = [
      { memberID: header.memberId, alarm: 1 },
      { memberID: 7n, alarm: 2 },
    ] as const;
    const list = async (...flags: string[]) => runOn({ Alarm: { header, alarms } }, ["alarm", "list", ...flags]);
    assert.equal((await list()).stdout, "memberID:9223372036854775809  alarm:NOSPACE\nmemberID:7  alarm:CORRUPT\n");
    const json = '"alarms":[{"memberID":9223372036854775809,"alarm":1},{"memberID":7,"alarm":2}]}\n';
    assert.ok((await list("-w", "json")).stdout.endsWith(json));
    const fields = '"MemberID" : 7\n"AlarmType" : CORRUPT\n\n';
    assert.ok((await list("-w", "fields")).stdout.endsWith(fields));
    assert.deepEqual(
      await run(["alarm", "list", "x"]),
      failedRun(128, "Error: alarm list command accepts no arguments\n"),
    );
  });

  test("the fields of disarmed alarms begin with an empty header, as of several answers", async () => {
    const { stdout } = await runOn({ Alarm: { header, alarms: [{ memberID: 7n, alarm: 1 }] } }, [
      ...["alarm", "disarm", "-w", "fields"],
    ]);
    const empty = '"ClusterID" : 0\n"MemberID" : 0\n"RaftTerm" : 0\n';
    assert.equal(stdout, `${empty}"MemberID" : 7\n"AlarmType" : NOSPACE\n\n`);
  });

  test("disarming lists the alarms, then deactivates each", async () => {
    const { code, stdout, server } = await runOn({ Alarm: { header, alarms: [{ memberID: 7n, alarm: 1 }] } }, [
      ...["alarm", "disarm", "-w", "json"],
    ]);
    assert.deepEqual([code, stdout], [0, '{"alarms":[{"memberID":7,"alarm":1}]}\n']);
    assert.deepEqual(
      server.calls.map(({ request }) => request),
      [
        { action: 0, memberID: 0n, alarm: 0 },
        { action: 2, memberID: 7n, alarm: 1 },
      ],
    );
  });

  test("flags of etcdctl 3.7 select keys by revision, delete a range, and ask one member for the members", async () => {
    const bounds = ["--min-create-rev=1", "--max-create-rev=2", "--min-mod-rev=3", "--max-mod-rev=4"];
    const get = await runOn({ Range: { header } }, ["get", "k", ...bounds]);
    const { request } = get.server.calls[0] as { request: Record<string, unknown> };
    const { minCreateRevision, maxCreateRevision, minModRevision, maxModRevision } = request;
    assert.deepEqual([minCreateRevision, maxCreateRevision, minModRevision, maxModRevision], [1n, 2n, 3n, 4n]);
    const del = await runOn({ DeleteRange: { header, deleted: 2n } }, ["del", "a", "b", "--range"]);
    assert.deepEqual([del.code, del.stdout], [0, "2\n"]);
    const list = await runOn({ MemberList: { header, members: [] } }, ["member", "list", "--consistency=s"]);
    assert.deepEqual(list.server.calls[0]?.request, { linearizable: false });
    const wrong = 'Error: unknown consistency flag "x"\n';
    assert.deepEqual(await run(["member", "list", "--consistency=x"]), failedRun(4, wrong));
  });

  test("defrag continues after a member that fails, and ends with an error", async () => {
    await using server = await FakeServer.start({ Defragment: {} });
    const { code, stdout, stderr } = await run(["--endpoints", `127.0.0.1:1,${server.endpoint}`, "defrag"]);
    assert.equal(code, 1);
    const time = String.raw`\. took [\d.]+m?s`;
    assert.match(stdout, new RegExp(`^Finished defragmenting etcd member\\[${server.endpoint}\\]${time}\n$`));
    const failure = String.raw`\nFailed to defragment etcd member\[127\.0\.0\.1:1\]`;
    assert.match(stderr, new RegExp(`${failure}${time}\\. \\(context deadline exceeded\\)\n$`));
    assert.equal(server.calls.length, 1);
  });

  test("--count-only works with json and fields, which print the count", async () => {
    const json = await runOn({ Range: { header, count: 3n } }, ["get", "k", "--prefix", "--count-only", "-w", "json"]);
    assert.match(json.stdout, /"raft_term":2\},"count":3\}\n$/);
    const fields = await runOn({ Range: { header, count: 3n } }, ["get", "k", "--count-only", "-w", "fields"]);
    assert.match(fields.stdout, /^"Count" : 3$/m);
    const simple = await runOn({}, ["get", "k", "--count-only"]);
    const stderr = "Error: --count-only is only for `--write-out=fields`\n";
    assert.deepEqual([simple.code, simple.stderr], [128, stderr]);
  });

  test("a table has centered titles and right-aligned cells", async () => {
    const members = [{ ID: 255n, name: "n1", peerURLs: ["http://127.0.0.1:2380"], clientURLs: [], isLearner: false }];
    const { stdout } = await runOn({ MemberList: { header, members } }, ["member", "list", "-w", "table"]);
    assert.equal(
      stdout,
      `\
┌────┬─────────┬──────┬───────────────────────┬──────────────┬────────────┐
│ ID │ STATUS  │ NAME │      PEER ADDRS       │ CLIENT ADDRS │ IS LEARNER │
├────┼─────────┼──────┼───────────────────────┼──────────────┼────────────┤
│ ff │ started │   n1 │ http://127.0.0.1:2380 │              │      false │
└────┴─────────┴──────┴───────────────────────┴──────────────┴────────────┘
`,
    );
  });

  test("protobuf is the message as the server sent it, also of a lease", async () => {
    const granted = { header, ID: 2n ** 62n, TTL: 60n };
    await using server = await FakeServer.start({ LeaseGrant: granted });
    const words = ["--endpoints", server.endpoint, "lease", "grant", "60", "-w", "protobuf"];
    const printed: Uint8Array[] = [];
    const io = { env: {}, stdin: Readable.from([]), note: () => undefined };
    await runProgram(words, { ...io, print: (bytes) => printed.push(bytes as Uint8Array) });
    assert.deepEqual(LeaseGrantResponse.decode(Buffer.concat(printed)), { ...granted, error: "" });
  });

  test("an output format that a result does not have is refused once the request is done", async () => {
    for (const [format, words] of [
      ["table", ["put", "k", "v"]],
      ["protobuf", ["endpoint", "status"]],
    ] as const) {
      const { code, stderr, server } = await runOn({}, [...words, "-w", format]);
      assert.deepEqual([code, stderr], [4, `Error: ${format} not supported as output format\n`]);
      assert.equal(server.calls.length, 1);
    }
  });

  test("a member that refuses the read for lack of permission is healthy", async () => {
    const refused = { code: status.PERMISSION_DENIED, details: "etcdserver: permission denied" };
    const { code, stdout, server } = await runOn({ Range: refused, Alarm: { header } }, ["endpoint", "health"]);
    assert.equal(code, 0);
    assert.match(stdout, new RegExp(`^${server.endpoint} is healthy: successfully committed proposal: took = `));
  });

  test("a member with an alarm is unhealthy, and so is one that does not answer the list of alarms", async () => {
    const alarms = [
      { memberID: 7n, alarm: 1 },
      { memberID: 8n, alarm: 2 },
    ] as const;
    const active = await runOn({ Range: { header }, Alarm: { header, alarms } }, ["endpoint", "health"]);
    const warningOf = (run: Run & { server: FakeServer }) => run.stderr.replace(`${run.server.endpoint} is `, "");
    const reason = "unhealthy: failed to commit proposal: ";
    assert.deepEqual([active.code, active.stdout], [1, ""]);
    assert.equal(warningOf(active), `${reason}Active Alarm(s): NOSPACE CORRUPT \nError: unhealthy cluster\n`);
    const refused = { code: status.INTERNAL, details: "no" };
    const unknown = await runOn({ Range: { header }, Alarm: refused }, ["endpoint", "health"]);
    assert.equal(warningOf(unknown), `${reason}Unable to fetch the alarm list\nError: unhealthy cluster\n`);
  });

  test("a change of members is printed in every format that etcdctl has for it", async () => {
    const member = (ID: bigint, name: string, url: string) => ({ ID, name, peerURLs: [url], isLearner: name === "" });
    const [added, other] = [member(10n, "", "http://b:1"), member(255n, "a", "http://a:1")];
    const answer = { header: { ...header, revision: 0n }, members: [added, other] };
    const answers = {
      MemberAdd: { ...answer, member: added },
      MemberRemove: answer,
      MemberUpdate: answer,
      MemberPromote: answer,
    };
    const outputOf = async (...words: string[]) => (await runOn(answers, ["member", ...words])).stdout;
    const add = ["add", "b", "--peer-urls=http://b:1", "--learner"];
    assert.equal(
      await outputOf(...add),
      `Member                a added as learner to cluster ffffffffffffffff

ETCD_NAME="b"
ETCD_INITIAL_CLUSTER="b=http://b:1,a=http://a:1"
ETCD_INITIAL_ADVERTISE_PEER_URLS="http://b:1"
ETCD_INITIAL_CLUSTER_STATE="existing"
`,
    );
    const json = '{"ID":"a","peerURLs":["http://b:1"],"isLearner":true}';
    assert.ok((await outputOf(...add, "--hex", "-w", "json")).includes(`"member":${json},"members":[${json},`));
    assert.equal(await outputOf("remove", "ff"), "Member               ff removed from cluster ffffffffffffffff\n");
    assert.equal(await outputOf("promote", "a"), "Member                a promoted in cluster ffffffffffffffff\n");
    const update = ["update", "a", "--peer-urls=http://c:1,http://d:1"];
    assert.equal(await outputOf(...update), "Member                a updated in cluster ffffffffffffffff\n");
    const { server } = await runOn(answers, ["member", ...update]);
    assert.deepEqual(server.calls[0]?.request, { ID: 10n, peerURLs: ["http://c:1", "http://d:1"] });
  });

  test("no request is sent if the limit of answers is below that of requests", async () => {
    const { code, stderr, server } = await runOn({}, ["get", "k", "--max-request-bytes=20", "--max-recv-bytes=10"]);
    assert.deepEqual(
      [code, stderr],
      [2, "Error: gRPC message recv limit (10 bytes) must be greater than send limit (20 bytes)\n"],
    );
    assert.equal(server.calls.length, 0);
  });
});

describe("errors", () => {
  test("the error of a write with an unknown outcome states that", async () => {
    const timedOut = { code: status.UNAVAILABLE, details: "etcdserver: request timed out" };
    const { code, stderr } = await runOn({ Put: timedOut }, ["put", "k", "v"]);
    const warning = "Warning: the write may have been carried out all the same\n";
    assert.deepEqual([code, stderr], [1, `${warning}Error: etcdserver: request timed out\n`]);
  });

  test("an error text that is not etcd's is printed as Go's client prints it", async () => {
    const odd = { code: status.UNKNOWN, details: "something else" };
    const { stderr } = await runOn({ Range: odd }, ["get", "k"]);
    assert.equal(stderr, "Error: rpc error: code = Unknown desc = something else\n");
  });

  test("https to a port without TLS, and no TLS to a port with it, are distinguished from an unreachable server", async () => {
    const certificate = await (await TestAuthority.create()).issue();
    const plain = createServer((socket) => socket.once("data", () => socket.destroy())).listen(0, "127.0.0.1");
    const secure = createTlsServer(certificate).listen(0, "127.0.0.1");
    try {
      await Promise.all([once(plain, "listening"), once(secure, "listening")]);
      const portOf = (server: { address(): unknown }) => (server.address() as { port: number }).port;
      const warningsFrom = async (endpoint: string) =>
        (await run(["--endpoints", endpoint, `--dial-timeout=${scaleMs(2_000)}ms`, "get", "k"])).stderr;
      assert.match(
        await warningsFrom(`https://127.0.0.1:${portOf(plain)}`),
        /^Warning: [^\n]*: perhaps it does not speak TLS \(then use http:/,
      );
      assert.match(
        await warningsFrom(`127.0.0.1:${portOf(secure)}`),
        /^Warning: [^\n]*: if it speaks TLS, use https:\/\//,
      );
    } finally {
      plain.close();
      secure.close();
    }
  });

  test("a command without a server prints the reason, then etcdctl's error", async () => {
    const server = await FakeServer.start();
    await server[Symbol.asyncDispose]();
    const runWithTimeout = async (timeout: string) =>
      run(["--endpoints", server.endpoint, `--dial-timeout=${timeout}`, "get", "k"]);
    const answer = (reason: string) =>
      failedRun(1, `Warning: cannot connect to ${server.endpoint}: ${reason}\nError: context deadline exceeded\n`);
    const refused = answer(`connect ECONNREFUSED ${server.endpoint}`);
    let timeoutMs = 50;
    let actual = await runWithTimeout(`${timeoutMs}ms`);
    // The connection is refused after a moment, which on a busy machine is longer than the timeout.
    while (isDeepStrictEqual(actual, answer("no answer")) && timeoutMs < scaleMs(10_000))
      actual = await runWithTimeout(`${(timeoutMs *= 2)}ms`);
    assert.deepEqual(actual, refused);
  });
});

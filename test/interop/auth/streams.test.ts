// Streams that remain open when the rights of their token have changed: the answer to each message is that of etcd 3.7.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Call, Caller, Conversation, Outcome } from "./calls.js";
import { callBoth, Servers, succeed } from "./servers.js";

let servers: Servers;

before(async () => {
  servers = await Servers.start();
});

after(() => servers[Symbol.asyncDispose]());

const password = "secret";
const key = Buffer.from("k");
const permission = { permType: 2, key };
const auth = (method: string, fields: object = {}): Call => ({ method: `Auth/${method}`, fields });

const setUp: readonly Call[] = [
  auth("UserAdd", { name: "root", password }),
  auth("RoleAdd", { name: "root" }),
  auth("UserGrantRole", { user: "root", role: "root" }),
  auth("UserAdd", { name: "user", password }),
  auth("RoleAdd", { name: "role" }),
  auth("RoleGrantPermission", { name: "role", perm: permission }),
  auth("UserGrantRole", { user: "user", role: "role" }),
  { method: "Lease/LeaseGrant", fields: { ID: 1n, TTL: 1_000n } },
  { method: "KV/Put", fields: { key, lease: 1n } },
];

/** Two streams with one token: keep-alives of a lease, and watchers of its key. */
class Streams {
  private readonly watches: Conversation;
  private readonly keepAlives: Conversation;

  constructor(caller: Caller, token?: string) {
    this.watches = caller.open({ method: "Watch/Watch", token });
    this.keepAlives = caller.open({ method: "Lease/LeaseKeepAlive", token });
  }

  /** Creates a watcher, and sends a keep-alive. Returns both answers. */
  async ask(): Promise<string[]> {
    this.watches.send({ requestUnion: { $case: "createRequest", value: { key } } });
    this.keepAlives.send({ ID: 1n });
    const watch = await this.watches.next(({ created }) => created === true);
    const keepAlive = await this.keepAlives.next();
    return [watch, keepAlive].map(showOutcome);
  }

  close(): void {
    this.watches.close();
    this.keepAlives.close();
  }
}

const showOutcome = ({ code, details, messages: [message] }: Outcome): string =>
  code === 0 ? `ok ${String(message?.["cancelReason"] ?? message?.["TTL"])}` : `${code} ${details}`;

const login = async (caller: Caller, name: string): Promise<string> => {
  const [outcome] = await succeed(caller, [auth("Authenticate", { name, password })]);
  return String(outcome?.messages[0]?.["token"]);
};

/** Returns a line for each answer. */
async function play(caller: Caller): Promise<string[]> {
  await succeed(caller, setUp);
  const nobody = new Streams(caller);
  const lines: string[] = [];
  const look = async (heading: string, streams: Streams) => {
    for (const answer of await streams.ask()) lines.push(`${heading}: ${answer}`);
  };
  const asRoot = async (call: Call) => succeed(caller, [{ ...call, token: await login(caller, "root") }]);

  await look("without authentication", nobody);
  await succeed(caller, [auth("AuthEnable")]);
  await look("without a token, after authentication was enabled", nobody);
  const user = new Streams(caller, await login(caller, "user"));
  await look("as a user", user);
  await asRoot(auth("RoleRevokePermission", { role: "role", key }));
  await look("after the permission was revoked", user);
  const again = new Streams(caller, await login(caller, "user"));
  await asRoot(auth("RoleGrantPermission", { name: "role", perm: permission }));
  await look("after it was granted again", again);
  const late = new Streams(caller, await login(caller, "user"));
  await asRoot(auth("UserChangePassword", { name: "user", password }));
  await look("after the password was changed", late);
  const last = new Streams(caller, await login(caller, "user"));
  await asRoot(auth("AuthDisable"));
  await look("after authentication was disabled", last);
  for (const streams of [nobody, user, again, late, last]) streams.close();
  return lines;
}

test("streams whose token becomes invalid end as on etcd", async () => {
  const [etcd, ours] = await callBoth(servers.callers, play);
  assert.deepEqual(ours, etcd);
});

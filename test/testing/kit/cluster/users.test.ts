// Users of a cluster: known to all members, including one that was down, and after a restart.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Client, credentials, Metadata, status } from "@grpc/grpc-js";
import { Client as EtcdClient } from "../../../../client/index.js";
import { AuthDefinition, KVDefinition, Permission_Type } from "../../../../proto/index.js";
import { startTestCluster, type TestMember } from "../../../../testing/kit/index.js";

interface MethodDefinition {
  readonly name: string;
  readonly requestType: { fromPartial(fields: object): unknown; encode(message: never): { finish(): Uint8Array } };
  readonly responseType: { decode(bytes: Uint8Array): unknown };
}

const methods = new Map(
  [AuthDefinition, KVDefinition].flatMap(({ fullName, methods }) =>
    Object.values(methods as unknown as Record<string, MethodDefinition>).map((method) => [
      method.name,
      { path: `/${fullName}/${method.name}`, method },
    ]),
  ),
);

/** Calls a method of a member. */
const call = async (member: TestMember, name: string, fields: object, token?: string): Promise<unknown> => {
  const { path, method } = methods.get(name)!;
  const metadata = new Metadata();
  if (token !== undefined) metadata.set("token", token);
  const client = new Client(member.endpoint, credentials.createInsecure());
  try {
    return await new Promise((resolve, reject) =>
      client.makeUnaryRequest(
        path,
        (message: unknown) => Buffer.from(method.requestType.encode(message as never).finish()),
        (bytes: Buffer) => method.responseType.decode(new Uint8Array(bytes)),
        method.requestType.fromPartial(fields),
        metadata,
        { deadline: Date.now() + 30_000 },
        (error, response) => (error === null ? resolve(response) : reject(error)),
      ),
    );
  } finally {
    client.close();
  }
};

const logIn = async (member: TestMember, name: string): Promise<string> => {
  const { token } = (await call(member, "Authenticate", { name, password: name })) as { token: string };
  return token;
};

/** Adds the users root and ann, who may write `a`, and turns authentication on. */
const addUsers = async (member: TestMember): Promise<void> => {
  for (const name of ["root", "ann"]) {
    await call(member, "UserAdd", { name, password: name });
    await call(member, "RoleAdd", { name });
    await call(member, "UserGrantRole", { user: name, role: name });
  }
  const perm = { permType: Permission_Type.READWRITE, key: Buffer.from("a"), rangeEnd: new Uint8Array() };
  await call(member, "RoleGrantPermission", { name: "ann", perm });
  await call(member, "AuthEnable", {});
};

const put = (member: TestMember, key: string, token?: string): Promise<unknown> =>
  call(member, "Put", { key: Buffer.from(key), value: Buffer.from("v") }, token);
const get = (member: TestMember, key: string, token?: string): Promise<unknown> =>
  call(member, "Range", { key: Buffer.from(key), serializable: true }, token);

describe("users of a cluster", () => {
  it("have tokens that every member knows at once", async () => {
    await using cluster = await startTestCluster();
    const [m1, m2, m3] = cluster.members;
    await addUsers(m1!);
    const token = await logIn(m2!, "ann");
    await Promise.all([m1, m2, m3].map((member) => put(member!, "a", token)));
    for (const member of cluster.members) {
      await get(member, "a", token);
      await assert.rejects(put(member, "b", token), { code: status.PERMISSION_DENIED });
      await assert.rejects(get(member, "b", token), { code: status.PERMISSION_DENIED });
    }
  });

  it("are enforced by a member that got them in a snapshot, before it answers anything", async () => {
    const flags = { snapshotCount: "50", snapshotCatchupEntries: "10" };
    await using cluster = await startTestCluster({ flags });
    const away = cluster.members.find((member) => !member.isLeader)!;
    const other = cluster.members.find((member) => member !== away)!;
    await put(other, "a");
    await away.kill();
    await addUsers(other);
    const token = await logIn(other, "root");
    await Promise.all(Array.from({ length: 120 }, () => put(other, "k", token)));
    await away.restart();
    // The read is linearizable: its answer shows that this member has applied what the others have.
    const range = { key: Buffer.from("a") };
    await assert.rejects(call(away, "Range", range), { code: status.INVALID_ARGUMENT });
    await assert.rejects(get(away, "a"), { code: status.INVALID_ARGUMENT });
    await assert.rejects(get(away, "a", token), { code: status.UNAUTHENTICATED }, "its login is in the snapshot alone");
    const own = await logIn(away, "ann");
    await put(away, "a", own);
    await get(away, "a", own);
    await put(other, "a", own);
  });

  it("do not restrict the test itself, which has the rights of root", async () => {
    await using cluster = await startTestCluster({ members: 1 });
    const [member] = cluster.members;
    await addUsers(member!);
    await cluster.seed({ b: "1" });
    assert.deepEqual(await cluster.dump(), { b: "1" });
    await assert.rejects(cluster.client().kv.get("b"));
    await cluster.reset();
    await put(cluster.members[0]!, "b");
    assert.deepEqual(await cluster.dump(), { b: "v" });
  });

  it("log in again for a read in chunks, in process and over a socket", async () => {
    await using cluster = await startTestCluster({ members: 1, flags: { bcryptCost: "4" } });
    const [member] = cluster.members;
    await put(member!, "a");
    await addUsers(member!);
    const auth = { user: "ann", password: "ann" };
    await using outside = new EtcdClient({ endpoints: [member!.endpoint], auth });
    const clients = [cluster.client({ auth }), outside];
    for (const client of clients) assert.equal((await client.kv.getStream("a")).count, 1);
    // Disabling authentication ends all logins.
    await call(member!, "AuthDisable", {}, await logIn(member!, "root"));
    await call(member!, "AuthEnable", {});
    for (const { kv } of clients) {
      assert.equal((await kv.getStream("a")).count, 1);
      await assert.rejects(kv.getStream("b"), { reason: "not-allowed" });
    }
  });

  it("survive a restart of all members; tokens do not, except those of logins that are applied again", async () => {
    await using cluster = await startTestCluster({ disk: true });
    const [first] = cluster.members;
    await addUsers(first!);
    await Promise.all(cluster.members.map((member) => member.kill()));
    await Promise.all(cluster.members.map((member) => member.restart()));
    await assert.rejects(get(first!, "a"), { code: status.INVALID_ARGUMENT });
    const token = await logIn(first!, "ann");
    await put(first!, "a", token);
    await assert.rejects(put(first!, "b", token), { code: status.PERMISSION_DENIED });
  });
});

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { HostResolver, ServiceRecord } from "../../../platform/dns/index.js";
import { configFromFlags, defaultFlags, type ServerFlags } from "../../../server/config/config.js";
import { findInitialMembers } from "../../../server/bootstrap/index.js";
import { recordingLogger } from "../member/member-fixtures.js";

interface Names {
  readonly services?: Readonly<Record<string, readonly Partial<ServiceRecord>[]>>;
  readonly hosts?: Readonly<Record<string, string>>;
}

const failLookup = () =>
  Promise.reject(Object.assign(new Error("not found"), { code: "ENOTFOUND", syscall: "lookup" }));

/** Returns a resolver with these names. */
const resolverOf = ({ services = {}, hosts = {} }: Names, asked: string[] = []): HostResolver => ({
  getServers: () => ["10.0.0.53"],
  lookupHost: (host) => {
    asked.push(host);
    const address = hosts[host];
    return address === undefined ? failLookup() : Promise.resolve(address);
  },
  resolveSrv: (name) => {
    asked.push(name);
    const records = services[name]?.map((each) => ({ name: "", port: 2380, priority: 0, weight: 0, ...each }));
    return records === undefined ? failLookup() : Promise.resolve(records);
  },
});

/** Creates a clock that advances whenever it is read, and whose timers run without a wait. */
const createHastyClock = (stepMs = 0) => {
  let now = 0;
  const neverRepeat = () => () => undefined;
  const after = (ms: number, callback: () => void) => {
    now += ms;
    queueMicrotask(callback);
    return () => undefined;
  };
  return { now: () => (now += stepMs), every: neverRepeat, after, soon: queueMicrotask };
};

const find = (flags: Partial<ServerFlags>, names: Names, asked?: string[]) =>
  findInitialMembers(
    configFromFlags({ ...defaultFlags, ...flags }),
    { clock: createHastyClock(), random: () => 0.5, logger: recordingLogger().logger },
    resolverOf(names, asked),
  );

const hosts = { "m1.x": "10.0.0.1", "m2.x": "10.0.0.2", "m3.x": "10.0.0.3", "alias.x": "10.0.0.1" };
const three = [{ name: "m1.x" }, { name: "m2.x" }, { name: "m3.x" }];
const m1 = { name: "a", discoverySrv: "x", initialAdvertisePeerUrls: "http://m1.x:2380" };

describe("members that DNS names", () => {
  const plain = { services: { "_etcd-server._tcp.x": three }, hosts };

  test("are the hosts of the service; this member has its name, the others are numbered", async () => {
    assert.deepEqual((await find(m1, plain)).all, [
      { name: "a", peerUrls: ["http://m1.x:2380"] },
      { name: "0", peerUrls: ["http://m2.x:2380"] },
      { name: "1", peerUrls: ["http://m3.x:2380"] },
    ]);
  });

  test("are matched by address: this member may advertise another host name, or an address", async () => {
    for (const url of ["http://alias.x:2380", "http://10.0.0.1:2380"]) {
      const { self } = await find({ ...m1, initialAdvertisePeerUrls: url }, plain);
      assert.deepEqual(self, { name: "a", peerUrls: ["http://m1.x:2380"] }, url);
    }
  });

  test("are those of one cluster of several, by the name of its service", async () => {
    const services = { "_etcd-server-blue._tcp.x": three.slice(0, 1) };
    assert.equal((await find({ ...m1, discoverySrvName: "blue" }, { services, hosts })).all.length, 1);
    await assert.rejects(find(m1, { services, hosts }), {
      name: "StartError",
      message: /_etcd-server-ssl lookup .*\n.*_etcd-server lookup/,
    });
  });

  test("must include this member, with the scheme of its record", async () => {
    const other = { ...m1, initialAdvertisePeerUrls: "http://m1.x:1" };
    const notThere = 'error setting up initial cluster: cannot find local etcd member "a" in SRV records';
    await assert.rejects(find(other, plain), { name: "StartError", message: notThere });
    await assert.rejects(find({ ...m1, initialAdvertisePeerUrls: "https://m1.x:2380" }, plain), { message: notThere });
  });

  test("are not found if no host has an address, and the error has the last reason", async () => {
    await assert.rejects(find({ ...m1, initialAdvertisePeerUrls: "http://10.0.0.1:2380" }, { ...plain, hosts: {} }), {
      message: /error querying DNS SRV records for _etcd-server lookup m3\.x\. on 10\.0\.0\.53:53: no such host$/,
    });
  });

  test("are host names: an address in a record is refused", async () => {
    const services = { "_etcd-server._tcp.x": [{ name: "10.0.0.1" }] };
    await assert.rejects(find(m1, { services, hosts }), { message: /records which contain invalid names$/ });
  });

  test("are refused if one URL is named twice", async () => {
    const services = { "_etcd-server._tcp.x": [...three, { name: "m3.x" }] };
    await assert.rejects(find(m1, { services, hosts }), {
      name: "StartError",
      message: /^initial cluster 0=.* has duplicate url$/,
    });
  });

  test("with https, and no authority of their own, have certificates for the domain", async () => {
    const services = { "_etcd-server-ssl._tcp.x": three };
    const secure = { ...m1, initialAdvertisePeerUrls: "https://m1.x:2380", peerAutoTls: "true" };
    assert.equal((await find(secure, { services, hosts })).certificateName, "x");
    const files = { peerCertFile: "c", peerKeyFile: "k", peerTrustedCaFile: "ca", peerAutoTls: "false" };
    assert.equal((await find({ ...secure, ...files }, { services, hosts })).certificateName, undefined);
    assert.equal((await find(m1, plain)).certificateName, undefined);
  });
});

describe("members that flags name", () => {
  const byName = { name: "a", initialCluster: "a=http://m1.x:2380,b=http://m2.x:2380" };

  test("need no DNS if the URLs are those that are advertised", async () => {
    const asked: string[] = [];
    const { all } = await find({ ...byName, initialAdvertisePeerUrls: "http://m1.x:2380" }, {}, asked);
    assert.deepEqual([all.length, asked], [2, []]);
  });

  test("may advertise the address in place of the name", async () => {
    const { self } = await find({ ...byName, initialAdvertisePeerUrls: "http://10.0.0.1:2380" }, { hosts });
    assert.deepEqual(self.peerUrls, ["http://m1.x:2380"]);
  });

  test("may have several URLs, all of them advertised", async () => {
    const flags = { name: "a", initialCluster: "a=http://h:1,b=http://i:1,a=http://h:2" };
    assert.equal(
      (await find({ ...flags, initialAdvertisePeerUrls: "http://h:2,http://h:1" }, {})).self.peerUrls.length,
      2,
    );
    await assert.rejects(find({ ...flags, initialAdvertisePeerUrls: "http://h:1" }, {}), {
      message:
        "--initial-cluster has a=http://h:2 but missing from --initial-advertise-peer-urls=http://h:1 " +
        '(len(["http://h:1"]) != len(["http://h:1" "http://h:2"]))',
    });
  });

  test("are refused in etcd's words", async () => {
    const missing = "--initial-cluster has a=http://m1.x:2380 but missing from --initial-advertise-peer-urls=";
    const rows: [Partial<ServerFlags>, string][] = [
      [{ ...byName, name: "c" }, `couldn't find local name "c" in the initial cluster configuration`],
      [
        { ...byName, initialAdvertisePeerUrls: "http://m2.x:2380" },
        `${missing}http://m2.x:2380 (resolved urls: "http://10.0.0.2:2380" != "http://10.0.0.1:2380")`,
      ],
      [
        { ...byName, initialAdvertisePeerUrls: "http://gone.x:2380" },
        `${missing}http://gone.x:2380 (failed to resolve "http://gone.x:2380" (lookup gone.x on 10.0.0.53:53: no such host))`,
      ],
      [
        { name: "a", initialCluster: "a=http://h:1,b=http://h:1", initialAdvertisePeerUrls: "http://h:1" },
        "initial cluster a=http://h:1,b=http://h:1 has duplicate url",
      ],
    ];
    for (const [flags, message] of rows) await assert.rejects(find(flags, { hosts }), { name: "StartError", message });
  });

  test("are looked up again for half a minute while DNS does not know a name", async () => {
    const asked: string[] = [];
    await assert.rejects(find({ ...byName, initialAdvertisePeerUrls: "http://gone.x:2380" }, { hosts }, asked));
    assert.equal(asked.filter((host) => host === "gone.x").length, 30);
  });
});

test("a domain and a list of members together are refused", () => {
  const both = { ...m1, initialCluster: "a=http://m1.x:2380" };
  assert.throws(() => configFromFlags({ ...defaultFlags, ...both }), {
    name: "StartError",
    message:
      "multiple discovery or bootstrap flags are set. " +
      'Choose one of "initial-cluster", "discovery-endpoints" or "discovery-srv"',
  });
});

import assert from "node:assert/strict";
import { Resolver } from "node:dns/promises";
import { describe, test } from "node:test";
import { LookupError, lookUpService, type NameResolver, type ServiceRecord } from "../../../platform/dns/index.js";
import { sortByPriority } from "../../../platform/dns/services.js";
import { DnsServer, type Zone } from "../../support/dns-server.js";

const zone: Zone = {
  services: {
    "_etcd-client._tcp.example.com": [
      { target: "second.example.com", port: 2, priority: 20 },
      { target: "first.example.com", port: 1, priority: 10 },
    ],
    "_etcd-client._tcp.not-there.example.com": [{ target: "", port: 0 }],
    "_etcd-client._tcp.odd.example.com": [{ target: "-odd-.example.com", port: 1 }],
  },
  addresses: { "_etcd-client._tcp.address.example.com": "127.0.0.1" },
  broken: ["_etcd-client._tcp.broken.example.com"],
};

async function lookUp(domain: string): Promise<readonly ServiceRecord[]> {
  await using server = await DnsServer.start(zone);
  const resolver = new Resolver();
  resolver.setServers([server.address]);
  return await lookUpService(resolver, "etcd-client", domain, () => 0).catch((error: unknown) => {
    // The server's port differs from run to run.
    throw error instanceof LookupError ? new LookupError(error.message.replace(server.address, "SERVER")) : error;
  });
}

const lookupError = (message: string) => ({ name: "LookupError", message });

describe("a service in DNS", () => {
  test("has its hosts in the order of their priorities", async () => {
    const hosts = (await lookUp("example.com")).map(({ name, port }) => `${name}:${port}`);
    assert.deepEqual(hosts, ["first.example.com:1", "second.example.com:2"]);
  });

  test("that does not exist, or has no SRV records, fails with the text of Go's resolver", async () => {
    for (const domain of ["nowhere.example.com", "address.example.com"]) {
      const message = `lookup _etcd-client._tcp.${domain} on SERVER: no such host`;
      await assert.rejects(lookUp(domain), lookupError(message));
    }
    const broken = "lookup _etcd-client._tcp.broken.example.com on SERVER: server misbehaving";
    await assert.rejects(lookUp("broken.example.com"), lookupError(broken));
  });

  test("whose record has the host . is not found", async () => {
    const message = "lookup _etcd-client._tcp.not-there.example.com: no such host";
    await assert.rejects(lookUp("not-there.example.com"), lookupError(message));
  });

  test("whose record names an invalid host is refused", async () => {
    const message = "lookup odd.example.com: DNS response contained records which contain invalid names";
    await assert.rejects(lookUp("odd.example.com"), lookupError(message));
  });

  test("is not looked up under an invalid name", async () => {
    const asked: string[] = [];
    const resolver: NameResolver = {
      resolveSrv: (name) => {
        asked.push(name);
        return Promise.resolve([]);
      },
      getServers: () => [],
    };
    for (const domain of ["a..b", "-a.com", "a b", "x".repeat(64), `${"abcdefg.".repeat(32)}com`, "bücher.example"]) {
      const message = `lookup _etcd-client._tcp.${domain}: no such host`;
      await assert.rejects(
        lookUpService(resolver, "etcd-client", domain, () => 0),
        lookupError(message),
      );
    }
    assert.deepEqual(asked, []);
  });

  test("is looked up at port 53 of a server without a port", async () => {
    const failed = Object.assign(new Error("querySrv ETIMEOUT"), { code: "ETIMEOUT", syscall: "querySrv" });
    const servers = ["192.0.2.1", "2001:db8::1", "192.0.2.1:5353", "[2001:db8::1]:5353"];
    const addresses = ["192.0.2.1:53", "[2001:db8::1]:53", "192.0.2.1:5353", "[2001:db8::1]:5353"];
    for (const [at, server] of servers.entries()) {
      const resolver: NameResolver = { resolveSrv: () => Promise.reject(failed), getServers: () => [server] };
      const message = `lookup _etcd-client._tcp.example.com on ${addresses[at]!}: i/o timeout`;
      await assert.rejects(
        lookUpService(resolver, "etcd-client", "example.com", () => 0),
        lookupError(message),
      );
    }
  });

  test("passes on a failure that is not the resolver's", async () => {
    const resolver: NameResolver = {
      resolveSrv: () => Promise.reject(new RangeError("a fault of the program")),
      getServers: () => [],
    };
    await assert.rejects(
      lookUpService(resolver, "etcd-client", "example.com", () => 0),
      { name: "RangeError" },
    );
  });
});

describe("hosts of one priority", () => {
  const host = (name: string, weight: number): ServiceRecord => ({ name, port: 1, priority: 0, weight });
  const names = (records: readonly ServiceRecord[], random: number) =>
    sortByPriority(records, () => random)
      .map(({ name }) => name)
      .join("");

  test("are chosen at random, with frequencies by weight", () => {
    const records = [host("a", 1), host("b", 3)];
    assert.deepEqual(
      [0, 0.2, 0.3, 0.9].map((random) => names(records, random)),
      ["ab", "ab", "ba", "ba"],
    );
  });

  test("keep their order without weights, and hosts without weight come after the others", () => {
    assert.equal(names([host("a", 0), host("b", 0)], 0.9), "ab");
    assert.equal(names([host("a", 0), host("b", 1)], 0), "ba");
  });
});

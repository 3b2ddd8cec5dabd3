import assert from "node:assert/strict";
import { Resolver } from "node:dns/promises";
import { describe, test } from "node:test";
import { Client, discoverEndpoints, toText } from "../../client/index.js";
import { DnsServer, type Zone } from "../support/dns-server.js";
import { FakeServer } from "./fake-server.js";

async function discover(zone: Zone, domain: string, serviceName?: string): Promise<readonly string[]> {
  await using server = await DnsServer.start(zone);
  const resolver = new Resolver();
  resolver.setServers([server.address]);
  return await discoverEndpoints(domain, { resolver, serviceName }).catch((error: unknown) => {
    (error as Error).message = (error as Error).message.replaceAll(server.address, "SERVER");
    throw error;
  });
}

const record = (target: string, port: number) => [{ target, port }];

describe("endpoints of a domain", () => {
  const zone: Zone = {
    services: {
      "_etcd-client._tcp.example.com": record("plain.example.com", 2379),
      "_etcd-client-ssl._tcp.example.com": record("secure.example.com", 2379),
      "_etcd-client._tcp.plain.example.com": record("plain.example.com", 2379),
      "_etcd-client-ssl-blue._tcp.example.com": record("blue.example.com", 2379),
    },
  };

  test("are those of both services, with TLS first", async () => {
    const both = ["https://secure.example.com:2379", "http://plain.example.com:2379"];
    assert.deepEqual(await discover(zone, "example.com"), both);
  });

  test("are those of one service if the other does not exist", async () => {
    assert.deepEqual(await discover(zone, "plain.example.com"), ["http://plain.example.com:2379"]);
  });

  test("are those of one cluster of several, by the name of its service", async () => {
    assert.deepEqual(await discover(zone, "example.com", "blue"), ["https://blue.example.com:2379"]);
  });

  test("without either service are not found, and the error names both lookups", async () => {
    const message =
      "dns lookup errors: lookup _etcd-client-ssl._tcp.nowhere.example.com on SERVER: no such host" +
      " and lookup _etcd-client._tcp.nowhere.example.com on SERVER: no such host";
    await assert.rejects(discover(zone, "nowhere.example.com"), { name: "DiscoveryError", message });
  });

  test("are endpoints of a client", async () => {
    const kvs = [{ key: Buffer.from("k"), value: Buffer.from("v"), createRevision: 1n, modRevision: 1n, version: 1n }];
    await using server = await FakeServer.start({ Range: { header: { revision: 1n }, kvs, count: 1n } });
    const port = Number(server.endpoint.split(":").at(-1));
    const found = await discover(
      { services: { "_etcd-client._tcp.here.example.com": record("localhost", port) } },
      "here.example.com",
    );
    await using client = new Client({ endpoints: found });
    assert.equal(toText((await client.kv.get("k")).kvs[0]?.value ?? new Uint8Array()), "v");
  });
});

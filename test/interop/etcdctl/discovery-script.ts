// Runs etcdctl and minietcdctl with --discovery-srv, on a machine whose DNS is a server of the test's; prints the answers of both.
import { dnsPort, DnsServer, type Zone } from "../../support/dns-server.js";
import { startEtcdCluster } from "../../support/etcd-process.js";
import { etcdctl, minietcdctlProcess } from "./ctl.js";

const steps: readonly (readonly string[])[] = [
  ["-d", "example.com", "put", "k", "v"],
  ["--discovery-srv=example.com", "--endpoints=127.0.0.1:1", "get", "k"],
  ["-d", "example.com.", "get", "k"],
  ["-d", "example.com", "--discovery-srv-name", "blue", "get", "k"],
  ["-d", "example.com", "--discovery-srv-name=red", "get", "k"],
  ["-d", "nowhere.example.com", "get", "k"],
  ["-d", "address.example.com", "get", "k"],
  ["-d", "broken.example.com", "get", "k"],
  ["-d", "odd.example.com", "get", "k"],
  ["-d", "a..b", "get", "k"],
  ["-d", "-a.com", "get", "k"],
  ["-d", "x".repeat(64), "get", "k"],
  ["-d", "bücher.example", "get", "k"],
  ["-d", "nowhere.example.com", "-w", "odd", "get", "k"],
  ["-d", "nowhere.example.com", "--user", "root:x", "get", "k"],
];

await using cluster = await startEtcdCluster({ kind: "etcd-3.7" });
const [endpoint = ""] = cluster.endpoints;
const here = [{ target: "m1.example.com", port: Number(endpoint.split(":").at(-1)) }];
const zone: Zone = {
  services: {
    "_etcd-client._tcp.example.com": here,
    "_etcd-client-blue._tcp.example.com": here,
    "_etcd-client._tcp.odd.example.com": [{ target: "-odd-.example.com", port: 1 }],
  },
  addresses: { "m1.example.com": "127.0.0.1", "_etcd-client._tcp.address.example.com": "127.0.0.1" },
  broken: ["_etcd-client._tcp.broken.example.com"],
};
await using dns = await DnsServer.start(zone, dnsPort);
const outcomes = [];
for (const words of steps) {
  const [theirs, ours] = [
    await etcdctl().run(words, { stdin: "", env: {} }),
    await minietcdctlProcess.run(words, { stdin: "", env: {} }),
  ];
  outcomes.push({ line: words.join(" "), etcdctl: theirs, minietcdctl: ours });
}
console.log(JSON.stringify({ outcomes, asked: dns.asked.length }));

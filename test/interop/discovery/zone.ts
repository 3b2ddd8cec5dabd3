// The names of the tests' DNS: services of members, and hosts, all with addresses of this machine.
import type { Zone } from "../../support/dns-server.js";

const targetOf = (host: string, port: number) => ({ target: `${host}.example.com`, port });

/** Peer ports of the members of a cluster. */
export const peerPorts = [2380, 2390, 2400];
/** The peer port of the cluster with one member. */
export const [ownPort = 0, otherPort = 0] = peerPorts;

const hosts = ["m1", "m2", "m3", "alias"];

/** Records of several domains, each with a cluster in another state. */
export const zone: Zone = {
  services: {
    "_etcd-server._tcp.example.com": peerPorts.map((port, n) => targetOf(`m${n + 1}`, port)),
    "_etcd-server-ssl._tcp.secure.example.com": peerPorts.map((port, n) => targetOf(`m${n + 1}`, port)),
    "_etcd-server-blue._tcp.example.com": [targetOf("m1", ownPort)],
    "_etcd-server._tcp.one.example.com": [targetOf("m1", ownPort)],
    "_etcd-server-ssl._tcp.both.example.com": [targetOf("m2", otherPort)],
    "_etcd-server._tcp.both.example.com": [targetOf("m1", ownPort), targetOf("m3", ownPort + 1)],
    "_etcd-server-ssl._tcp.mismatch.example.com": [targetOf("m1", ownPort)],
    "_etcd-server-ssl._tcp.others.example.com": [targetOf("m1", ownPort), targetOf("m2", otherPort)],
    "_etcd-server._tcp.odd.example.com": [targetOf("-odd-", 1)],
    "_etcd-server._tcp.number.example.com": [{ target: "127.0.0.1", port: ownPort }],
    "_etcd-server._tcp.gone.example.com": [targetOf("gone", ownPort)],
    "_etcd-server._tcp.partly.example.com": [targetOf("gone", ownPort), targetOf("m1", ownPort)],
    "_etcd-server._tcp.empty.example.com": [],
    "_etcd-server._tcp.twice.example.com": [targetOf("m1", ownPort), targetOf("m1", ownPort)],
    "_etcd-server._tcp.repeated.example.com": [
      targetOf("m1", ownPort),
      targetOf("m2", otherPort),
      targetOf("m2", otherPort),
    ],
    "_etcd-server._tcp.alias.example.com": [targetOf("m1", ownPort), targetOf("alias", ownPort)],
    "_etcd-server._tcp.upper.example.com": [{ target: "M1.Example.com", port: ownPort }],
  },
  addresses: Object.fromEntries(hosts.map((host) => [`${host}.example.com`, "127.0.0.1"])),
  broken: ["_etcd-server._tcp.broken.example.com", "broken.example.com"],
};

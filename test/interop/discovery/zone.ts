// The names of the tests' DNS: services of members, and hosts, all of them this machine.
import type { Zone } from "../../support/dns-server.js";

const at = (host: string, port: number) => ({ target: `${host}.example.com`, port });

/** Peer ports of the members of a cluster. */
export const peerPorts = [2380, 2390, 2400];
/** The peer port of the cluster of one. */
export const [ownPort = 0, otherPort = 0] = peerPorts;

const hosts = ["m1", "m2", "m3", "alias"];

/** Records of several domains, each with a cluster in its own state. */
export const zone: Zone = {
  services: {
    "_etcd-server._tcp.example.com": peerPorts.map((port, n) => at(`m${n + 1}`, port)),
    "_etcd-server-ssl._tcp.secure.example.com": peerPorts.map((port, n) => at(`m${n + 1}`, port)),
    "_etcd-server-blue._tcp.example.com": [at("m1", ownPort)],
    "_etcd-server._tcp.one.example.com": [at("m1", ownPort)],
    "_etcd-server-ssl._tcp.both.example.com": [at("m2", otherPort)],
    "_etcd-server._tcp.both.example.com": [at("m1", ownPort), at("m3", ownPort + 1)],
    "_etcd-server-ssl._tcp.mismatch.example.com": [at("m1", ownPort)],
    "_etcd-server-ssl._tcp.others.example.com": [at("m1", ownPort), at("m2", otherPort)],
    "_etcd-server._tcp.odd.example.com": [at("-odd-", 1)],
    "_etcd-server._tcp.number.example.com": [{ target: "127.0.0.1", port: ownPort }],
    "_etcd-server._tcp.gone.example.com": [at("gone", ownPort)],
    "_etcd-server._tcp.partly.example.com": [at("gone", ownPort), at("m1", ownPort)],
    "_etcd-server._tcp.empty.example.com": [],
    "_etcd-server._tcp.twice.example.com": [at("m1", ownPort), at("m1", ownPort)],
    "_etcd-server._tcp.repeated.example.com": [at("m1", ownPort), at("m2", otherPort), at("m2", otherPort)],
    "_etcd-server._tcp.alias.example.com": [at("m1", ownPort), at("alias", ownPort)],
    "_etcd-server._tcp.upper.example.com": [{ target: "M1.Example.com", port: ownPort }],
  },
  addresses: Object.fromEntries(hosts.map((host) => [`${host}.example.com`, "127.0.0.1"])),
  broken: ["_etcd-server._tcp.broken.example.com", "broken.example.com"],
};

import { formatId } from "../base/index.js";
import type { PeerTraffic } from "../peers/index.js";
import { counter, type Family, gauge, histogram, type NumberSample } from "./family.js";
import type { MeasuredReplica } from "./measured.js";

/** etcd's metrics of the links to the peers. Without peers they have no samples. */
export const peerFamilies = ({ id, applier, peerStats }: MeasuredReplica): Family[] => {
  const Local = formatId(id);
  const peers = [...peerStats.all].map(([peer, traffic]) => ({ name: formatId(peer), traffic }));
  const known = applier.members.all.map(({ ID }) => ({ labels: { Local, Remote: formatId(ID) }, value: 1 }));
  const sample = (read: (traffic: PeerTraffic) => number, label: (peer: string) => Record<string, string>) =>
    peers.map(({ name, traffic }): NumberSample => ({ labels: label(name), value: read(traffic) }));
  const From = (From: string) => ({ From });
  const To = (To: string) => ({ To });
  const labelsOf = (Remote: string) => ({ Local, Remote });
  return [
    gauge("etcd_network_known_peers", "The current number of known peers.", known),
    gauge(
      "etcd_network_active_peers",
      "The current number of active peer connections.",
      sample(({ isActive }) => Number(isActive), labelsOf),
    ),
    counter(
      "etcd_network_disconnected_peers_total",
      "The total number of disconnected peers.",
      sample(({ disconnects }) => disconnects, labelsOf),
    ),
    counter(
      "etcd_network_peer_sent_bytes_total",
      "The total number of bytes sent to peers.",
      sample(({ sentBytes }) => sentBytes, To),
    ),
    counter(
      "etcd_network_peer_received_bytes_total",
      "The total number of bytes received from peers.",
      sample(({ receivedBytes }) => receivedBytes, From),
    ),
    counter(
      "etcd_network_peer_sent_failures_total",
      "The total number of send failures from peers.",
      sample(({ sentFailures }) => sentFailures, To),
    ),
    counter(
      "etcd_network_peer_received_failures_total",
      "The total number of receive failures from peers.",
      sample(({ receivedFailures }) => receivedFailures, From),
    ),
    histogram(
      "etcd_network_peer_round_trip_time_seconds",
      "Round-Trip-Time histogram between peers: of the leader's heartbeats.",
      peers.map(({ name, traffic }) => ({ labels: { To: name }, histogram: traffic.roundTripSeconds })),
    ),
  ];
};

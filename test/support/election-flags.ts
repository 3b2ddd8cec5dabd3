import { lengthen } from "./machine-speed.js";

/** etcd's flags for an election timeout that members can keep on this machine: leaders do not change for lack of a core. */
export const electionFlags = ({
  heartbeatMs,
  electionMs,
}: {
  readonly heartbeatMs: number;
  readonly electionMs: number;
}): readonly string[] => [
  `--heartbeat-interval=${lengthen(heartbeatMs)}`,
  `--election-timeout=${lengthen(electionMs)}`,
];

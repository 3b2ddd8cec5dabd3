import { lengthen } from "./machine-speed.js";

/**
 * Returns etcd's flags for an election timeout that members can keep on this machine, so that the leader does not change for lack of CPU
 * time.
 */
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

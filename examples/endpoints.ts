// The cluster of the examples: the one of `npm start`, or the one in etcdctl's environment variables.

import type { ClientOptions } from "../client/index.js";

const ofNpmStart = "127.0.0.1:2379,127.0.0.1:22379,127.0.0.1:32379";

const { ETCDCTL_ENDPOINTS = ofNpmStart, ETCDCTL_DIAL_TIMEOUT = "2s", ETCDCTL_COMMAND_TIMEOUT = "5s" } = process.env;

/** Converts seconds, such as "2s", to milliseconds. */
const milliseconds = (seconds: string): number => Number.parseFloat(seconds) * 1_000;

export const cluster: ClientOptions = {
  endpoints: ETCDCTL_ENDPOINTS.split(","),
  dialTimeoutMs: milliseconds(ETCDCTL_DIAL_TIMEOUT),
  requestTimeoutMs: milliseconds(ETCDCTL_COMMAND_TIMEOUT),
};

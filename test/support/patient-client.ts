import { Client, type ClientOptions } from "../../client/index.js";
import { scaleMs } from "./machine-speed.js";

/** Returns a timeout scaled to this machine, as etcdctl's flags and variables take it. */
const seconds = (quietMs: number): string => `${scaleMs(quietMs) / 1_000}s`;

/** Returns variables that give `minietcdctl` and the examples timeouts scaled to the speed of the machine. */
export const patientVariables = (): Readonly<Record<string, string>> => ({
  ETCDCTL_DIAL_TIMEOUT: seconds(2_000),
  ETCDCTL_COMMAND_TIMEOUT: seconds(5_000),
});

/** Creates a client with timeouts scaled to the speed of the machine, for tests that are not about timeouts. */
export const patientClient = (options: ClientOptions): Client =>
  new Client({
    dialTimeoutMs: scaleMs(2_000),
    requestTimeoutMs: scaleMs(5_000),
    keepalive: { timeoutMs: scaleMs(6_000) },
    ...options,
  });

import { Client, type ClientOptions } from "../../client/index.js";
import { scaledMs } from "./machine-speed.js";

/** A time-out as etcdctl's flags and variables have it, as long as this machine needs. */
const seconds = (quietMs: number): string => `${scaledMs(quietMs) / 1_000}s`;

/** Variables that give `minietcdctl`, and the examples, time-outs that follow the speed of the machine. */
export const patientVariables = (): Readonly<Record<string, string>> => ({
  ETCDCTL_DIAL_TIMEOUT: seconds(2_000),
  ETCDCTL_COMMAND_TIMEOUT: seconds(5_000),
});

/** A client whose time-outs follow the speed of the machine: for tests that are about something else than these. */
export const patientClient = (options: ClientOptions): Client =>
  new Client({
    dialTimeoutMs: scaledMs(2_000),
    requestTimeoutMs: scaledMs(5_000),
    keepalive: { timeoutMs: scaledMs(6_000) },
    ...options,
  });

import { Client, type ClientOptions } from "../../client/index.js";
import { scaledMs } from "./machine-speed.js";

/** A client whose time-outs follow the speed of the machine: for tests that are about something else than these. */
export const patientClient = (options: ClientOptions): Client =>
  new Client({
    dialTimeoutMs: scaledMs(2_000),
    requestTimeoutMs: scaledMs(5_000),
    keepalive: { timeoutMs: scaledMs(6_000) },
    ...options,
  });

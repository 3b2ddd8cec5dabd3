import { Histogram } from "../../platform/index.js";
import { statusCode } from "./status.js";

/** The number of gRPC's status codes: 0 to 16. */
const statusCodes = 17;

/** The bucket bounds of handling times, in seconds: the defaults of Prometheus's libraries, as in etcd. */
const handlingBounds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** Counts the calls of one method, and their messages. The counters are plain numbers, as every call of every engine is counted. */
export class MethodStats {
  /** Calls that have begun. */
  started = 0;
  /** Messages of clients, and their bytes without frames. */
  received = 0;
  receivedBytes = 0;
  /** Messages to clients, and their bytes without frames. */
  sent = 0;
  sentBytes = 0;
  /** Calls that have ended, by status code. */
  readonly handled: number[] = new Array<number>(statusCodes).fill(0);
  /** Durations of calls; undefined: not measured. */
  handlingSeconds: Histogram | undefined;

  /** Starts to measure handling times. */
  measureHandling(): void {
    this.handlingSeconds ??= new Histogram(handlingBounds);
  }

  /** Counts a message of a client. */
  countReceived(bytes: number): void {
    this.received++;
    this.receivedBytes += bytes;
  }

  /** Counts messages to a client; `bytes` is their sum. */
  countSent(messages: number, bytes: number): void {
    this.sent += messages;
    this.sentBytes += bytes;
  }

  /** Counts the end of a call. An invalid code counts as UNKNOWN, as clients report it. */
  countEnd(code: number): void {
    const known = code < statusCodes ? code : statusCode.unknown;
    this.handled[known] = Number(this.handled[known]) + 1;
  }
}

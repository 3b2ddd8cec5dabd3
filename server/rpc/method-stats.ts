import { Histogram } from "../../platform/index.js";
import { statusCode } from "./status.js";

/** The number of status codes of gRPC: they are 0 to 16. */
const statusCodes = 17;

/** Bounds of handling times, in seconds: the default ones of Prometheus's libraries, as in etcd. */
const handlingBounds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** Counts the calls of one method, and their messages. Plain numbers: every call of every engine counts here. */
export class MethodStats {
  /** Calls that have begun. */
  started = 0;
  /** Messages that clients have sent, and their bytes without what frames them. */
  received = 0;
  receivedBytes = 0;
  /** Messages that were sent to clients, and their bytes without what frames them. */
  sent = 0;
  sentBytes = 0;
  /** Calls that have ended, by status code. */
  readonly handled: number[] = new Array<number>(statusCodes).fill(0);
  /** The time from the beginning of a call to its end; undefined: not measured. */
  handlingSeconds: Histogram | undefined;

  /** Measures handling times from now on. */
  measureHandling(): void {
    this.handlingSeconds ??= new Histogram(handlingBounds);
  }

  /** Counts a message of a client. */
  countReceived(bytes: number): void {
    this.received++;
    this.receivedBytes += bytes;
  }

  /** Counts messages to a client; `bytes` are those of all together. */
  countSent(messages: number, bytes: number): void {
    this.sent += messages;
    this.sentBytes += bytes;
  }

  /** Counts the end of a call. A code that gRPC does not know counts as UNKNOWN, as which clients see it. */
  countEnd(code: number): void {
    const known = code < statusCodes ? code : statusCode.unknown;
    this.handled[known] = Number(this.handled[known]) + 1;
  }
}

// A stream in both directions between a client and a member of the same process.

import { StatusError } from "../../../client/index.js";
import { maxUnsentBytes, maxUnsentMessages } from "../../../server/base/index.js";
import {
  type BidiMethod,
  type Call,
  type RequestSink,
  type ServerStreamMethod,
  statusOfError,
} from "../../../server/rpc/index.js";
import type { SimProcess } from "../../index.js";
import { openServerStream } from "./in-process-server-stream.js";

/** Events of a stream, for the client. */
export interface InProcessStreamEvents {
  readonly onMessage: (bytes: Uint8Array) => void;
  /** Called once; undefined: the server has ended the stream without an error. */
  readonly onEnd: (failure: StatusError | undefined) => void;
}

/** The end of a stream, which is queued after the messages that were sent before it. */
interface StreamEnd {
  readonly failure: StatusError | undefined;
}

/** A stream: keeps the order in both directions, and bounds the messages that the client has not taken. */
export class InProcessStream {
  private process: SimProcess | undefined;
  private method: BidiMethod | ServerStreamMethod | undefined;
  private sink: RequestSink<never> | undefined;
  private isServerDone = false;
  private isClientDone = false;
  private onDrain: () => void = () => undefined;
  /** Messages that are not delivered to the client yet. */
  private unsent: (Uint8Array | StreamEnd)[] = [];
  private unsentBytes = 0;
  private isFull = false;
  private isDeliveryDue = false;

  constructor(private readonly events: InProcessStreamEvents) {}

  /** Opens the stream at the server. */
  openStream(process: SimProcess, method: BidiMethod | ServerStreamMethod, call: Call): void {
    this.process = process;
    this.method = method;
    const open = method.kind === "bidi" ? method.open : openServerStream(method);
    this.atServer(() => {
      this.sink = open(call, {
        send: (response) => this.respond(method.encode(response)),
        sendEach: (labels, from, to, head, tail) => {
          for (let n = from; n < to; n++) {
            if (this.isFull) return n - from;
            this.respond(Buffer.concat([head, labels[n]?.label ?? new Uint8Array(), tail]));
          }
          return to - from;
        },
        setDrainListener: (callback) => (this.onDrain = callback),
        fail: (error) => this.fail(error),
        endStream: () => this.endServer(undefined),
      });
    });
  }

  send(bytes: Buffer): void {
    this.atServer(() => {
      if (this.method !== undefined) this.sink?.onRequest(this.method.decode(bytes));
    });
  }

  /** Tells the server that no further request follows. */
  endRequests(): void {
    this.atServer(() => this.sink?.onHalfClose());
  }

  /** Ends the stream for both sides: the client has given it up, or the connection has broken. */
  break(failure: StatusError): void {
    this.unsent = [];
    this.process?.receive(() => this.closeServer());
    this.isServerDone ||= this.process === undefined;
    if (this.isClientDone) return;
    this.isClientDone = true;
    queueMicrotask(() => this.events.onEnd(failure));
  }

  private atServer(run: () => void): void {
    this.process?.receive(() => {
      if (this.isServerDone) return;
      try {
        run();
      } catch (error) {
        this.fail(error);
      }
    });
  }

  private fail(error: unknown): void {
    const { code, details } = statusOfError(error, () => undefined);
    this.endServer(new StatusError(code, details));
  }

  private respond(bytes: Uint8Array): boolean {
    if (this.isServerDone) return true;
    this.unsentBytes += bytes.length;
    this.push(bytes);
    this.isFull ||= this.unsent.length >= maxUnsentMessages || this.unsentBytes >= maxUnsentBytes;
    return !this.isFull;
  }

  private endServer(failure: StatusError | undefined): void {
    if (this.isServerDone) return;
    this.closeServer();
    this.push({ failure });
  }

  private closeServer(): void {
    if (this.isServerDone) return;
    this.isServerDone = true;
    this.sink?.onClosed();
  }

  private push(item: Uint8Array | StreamEnd): void {
    this.unsent.push(item);
    if (this.isDeliveryDue) return;
    this.isDeliveryDue = true;
    queueMicrotask(() => this.deliver());
  }

  private deliver(): void {
    this.isDeliveryDue = false;
    const items = this.unsent;
    this.unsent = [];
    this.unsentBytes = 0;
    for (const item of items) {
      if (this.isClientDone) return;
      if (item instanceof Uint8Array) this.events.onMessage(item);
      else {
        this.isClientDone = true;
        this.events.onEnd(item.failure);
      }
    }
    if (!this.isFull) return;
    this.isFull = false;
    this.process?.receive(() => {
      if (!this.isServerDone) this.onDrain();
    });
  }
}

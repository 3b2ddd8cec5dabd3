// Carries the calls of clients without gRPC: with the method table of a port, encoded messages, and a simulated network.

import { anonymousCaller, type Caller, maxUnsentBytes, maxUnsentMessages } from "../server/base/index.js";
import {
  type BidiMethod,
  type Call,
  type GrpcStatus,
  type RequestSink,
  statusOfError,
  type UnaryMethod,
} from "../server/rpc/index.js";
import type { SeededRandom } from "./random.js";
import type { Host } from "./host.js";
import type { SimProcess } from "./process.js";
import type { Scheduler } from "./scheduler.js";

/** A generated message type. */
export interface Codec<Message> {
  encode(message: Message): { finish(): Uint8Array };
  decode(bytes: Uint8Array): Message;
}

/** The end of a call. `lost`: the connection broke, or the client gave up; the outcome of the request is unknown. */
export type CallOutcome<Response> =
  | { readonly kind: "ok"; readonly response: Response }
  | { readonly kind: "error"; readonly status: GrpcStatus }
  /** The request was not sent: no member listens at the host. */
  | { readonly kind: "refused" }
  | { readonly kind: "lost" };

/** Receives the responses and the end of a stream. */
export interface StreamEvents {
  readonly onResponse: (bytes: Uint8Array) => void;
  /** The stream has ended; undefined: its connection broke. Called once, unless the client ended the stream. */
  readonly onEnd: (status: GrpcStatus | undefined) => void;
}

/** A client's side of a stream. */
export interface ClientStream {
  send(bytes: Uint8Array): void;
  /** The client ends the stream. */
  cancel(): void;
  /** The client stops taking responses; `resume` continues. */
  pause(): void;
  resume(): void;
}

const maxDelayMs = 0.5;
/** Time without an answer to pings after which a client considers a connection broken. */
const silentMs = 2_000;

/** The default caller: the user root, when authentication is on. */
const call: Call = { ...anonymousCaller, certificateName: "root", addCancelListener: () => undefined };

/** The calls and streams that are open at one incarnation of a member, with functions that break them. */
interface Connection {
  readonly process: SimProcess;
  readonly breakers: Set<() => void>;
}

/** The calls and streams of simulated clients. Requests and answers travel for a random time. */
export class Rpc {
  private readonly connections = new Map<Host, Connection>();

  constructor(
    private readonly scheduler: Scheduler,
    private readonly random: SeededRandom,
    private readonly onUnexpected: (host: Host, error: unknown) => void,
  ) {}

  /** The host's process has ended or closes its client connections: these break, after a random time. */
  onHostDied(host: Host): void {
    const connection = this.connections.get(host);
    this.connections.delete(host);
    if (connection === undefined) return;
    for (const breakOff of connection.breakers)
      this.scheduler.after(this.random.chance(0.8) ? this.travelMs() : this.random.next() * silentMs, breakOff);
  }

  /** Calls a method with one request and one response. @param caller the user; absent: root */
  call<Request, Response>(
    host: Host,
    { path, request, response }: { path: string; request: Codec<Request>; response: Codec<Response> },
    message: Request,
    timeoutMs: number,
    caller: Partial<Caller> = {},
  ): Promise<CallOutcome<Response>> {
    return new Promise((resolve) => {
      const found = this.methodOf(host, path, "unary");
      if (found === undefined) {
        this.scheduler.after(this.travelMs(), () => resolve({ kind: "refused" }));
        return;
      }
      const { method, connection } = found;
      const end = (outcome: CallOutcome<Response>): void => {
        connection.breakers.delete(breakOff);
        deadline.run = undefined;
        resolve(outcome);
      };
      const breakOff = (): void => end({ kind: "lost" });
      const deadline = this.scheduler.after(timeoutMs, breakOff);
      connection.breakers.add(breakOff);
      const answerWith = (outcome: () => CallOutcome<Response>): void => {
        if (!connection.process.isAlive) return;
        this.scheduler.after(this.travelMs(), () => {
          if (connection.breakers.has(breakOff)) end(outcome());
        });
        host.onReached("answer");
      };
      const bytes = request.encode(message).finish();
      this.scheduler.after(this.travelMs(), () =>
        connection.process.receive(() =>
          this.serve(
            host,
            method,
            { bytes, caller: { ...call, ...caller } },
            {
              send: (answer) => answerWith(() => ({ kind: "ok", response: response.decode(answer) })),
              fail: (status) => answerWith(() => ({ kind: "error", status })),
            },
          ),
        ),
      );
    });
  }

  /** Opens a stream in both directions; undefined: no member listens at the host. */
  open(host: Host, path: string, events: StreamEvents): ClientStream | undefined {
    const found = this.methodOf(host, path, "bidi");
    if (found === undefined) return undefined;
    const { method, connection } = found;
    const breakOff = (): void => stream.breakConnection();
    const stream = new OpenStream(this.scheduler, connection.process, () => this.travelMs(), {
      onResponse: events.onResponse,
      onEnd: (status) => {
        connection.breakers.delete(breakOff);
        events.onEnd(status);
      },
    });
    connection.breakers.add(breakOff);
    stream.openMethod(method, (error) => statusOfError(error, (unexpected) => this.onUnexpected(host, unexpected)));
    return stream;
  }

  private serve(
    host: Host,
    method: UnaryMethod,
    { bytes, caller }: { readonly bytes: Uint8Array; readonly caller: Call },
    reply: { send: (bytes: Uint8Array) => void; fail: (status: GrpcStatus) => void },
  ): void {
    let isAnswered = false;
    const once = (answer: () => void): void => {
      if (isAnswered) return;
      isAnswered = true;
      answer();
    };
    const fail = (error: unknown): void =>
      once(() => reply.fail(statusOfError(error, (unexpected) => this.onUnexpected(host, unexpected))));
    try {
      const send = (response: unknown): void => once(() => reply.send(method.encode(response)));
      method.handle(caller, method.decode(bytes), method.answer({ send, fail }));
    } catch (error) {
      fail(error);
    }
  }

  private methodOf<Kind extends "unary" | "bidi">(
    host: Host,
    path: string,
    kind: Kind,
  ): { method: Extract<UnaryMethod | BidiMethod, { kind: Kind }>; connection: Connection } | undefined {
    const { running, process } = host;
    if (running?.isReady !== true || process === undefined) return undefined;
    const method = running.services.methods.find((each) => each.path === path && each.kind === kind);
    if (method === undefined) throw new Error(`there is no ${kind} method ${path}`);
    let connection = this.connections.get(host);
    if (connection === undefined) this.connections.set(host, (connection = { process, breakers: new Set() }));
    return { method: method as Extract<UnaryMethod | BidiMethod, { kind: Kind }>, connection };
  }

  /** Draws the time that a message takes between a client and a member. */
  private travelMs(): number {
    return this.random.next() * maxDelayMs;
  }
}

/** A stream with the services of an engine: keeps the order, and reports when its buffer is full. */
class OpenStream implements ClientStream {
  private sink: RequestSink<never> | undefined;
  private method: BidiMethod | undefined;
  private statusOf: (error: unknown) => GrpcStatus = () => ({ code: 2, details: "" });
  private isServerDone = false;
  private isClientDone = false;
  private onDrain: () => void = () => undefined;
  /** Responses in transit to the client, or waiting to be taken. */
  private unsent = 0;
  private unsentBytes = 0;
  private isFull = false;
  private isPaused = false;
  private waiting: (() => void)[] = [];
  private requestsDue = 0;
  private responsesDue = 0;

  constructor(
    private readonly scheduler: Scheduler,
    private readonly process: SimProcess,
    private readonly travelMs: () => number,
    private readonly events: StreamEvents,
  ) {}

  openMethod(method: BidiMethod, statusOf: (error: unknown) => GrpcStatus): void {
    this.method = method;
    this.statusOf = statusOf;
    this.toServer(() => {
      this.sink = method.open(call, {
        send: (response) => this.respond(method.encode(response)),
        sendEach: (labels, from, to, head, tail) => {
          for (let n = from; n < to; n++) {
            if (this.isFull) return n - from;
            this.respond(Buffer.concat([head, labels[n]?.label ?? new Uint8Array(), tail]));
          }
          return to - from;
        },
        setDrainListener: (callback) => (this.onDrain = callback),
        fail: (error) => this.endServer(statusOf(error)),
        endStream: () => this.endServer({ code: 0, details: "" }),
      });
    });
  }

  send(bytes: Uint8Array): void {
    this.toServer(() => {
      if (this.method !== undefined) this.sink?.onRequest(this.method.decode(bytes));
    });
  }

  cancel(): void {
    this.isClientDone = true;
    this.toServer(() => this.closeServer());
  }

  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    this.isPaused = false;
    for (const take of this.waiting.splice(0)) take();
  }

  /** Breaks the connection. Both sides are notified, the server at once if it runs. */
  breakConnection(): void {
    this.process.receive(() => this.closeServer());
    this.endClient(undefined);
  }

  private toServer(run: () => void): void {
    this.requestsDue = Math.max(this.requestsDue, this.scheduler.now + this.travelMs());
    this.scheduler.after(this.requestsDue - this.scheduler.now, () =>
      this.process.receive(() => {
        if (this.isServerDone) return;
        try {
          run();
        } catch (error) {
          this.endServer(this.statusOf(error));
        }
      }),
    );
  }

  private respond(bytes: Uint8Array): boolean {
    if (this.isServerDone) return true;
    this.unsent++;
    this.unsentBytes += bytes.length;
    this.isFull ||= this.unsent >= maxUnsentMessages || this.unsentBytes >= maxUnsentBytes;
    this.toClient(() => {
      if (!this.isClientDone) this.events.onResponse(bytes);
      this.process.receive(() => this.onTaken(bytes.length));
    });
    return !this.isFull;
  }

  private onTaken(bytes: number): void {
    this.unsent--;
    this.unsentBytes -= bytes;
    if (!this.isFull || this.unsent > 0) return;
    this.isFull = false;
    if (!this.isServerDone) this.onDrain();
  }

  /** Delivers responses to the client in order, unless it is paused. */
  private toClient(arrive: () => void): void {
    this.responsesDue = Math.max(this.responsesDue, this.scheduler.now + this.travelMs());
    this.scheduler.after(this.responsesDue - this.scheduler.now, () => {
      if (this.isPaused) this.waiting.push(arrive);
      else arrive();
    });
  }

  private endServer(status: GrpcStatus): void {
    if (this.isServerDone) return;
    this.closeServer();
    this.toClient(() => this.endClient(status));
  }

  private closeServer(): void {
    if (this.isServerDone) return;
    this.isServerDone = true;
    this.sink?.onClosed();
  }

  private endClient(status: GrpcStatus | undefined): void {
    if (this.isClientDone) return;
    this.isClientDone = true;
    this.events.onEnd(status);
  }
}

// A client's connection to a member in the same process: calls the methods of the member's port without a socket. Messages are
// encoded, except small ones whose decoded form would equal the given object.

import { asBuffer } from "../../../platform/index.js";
import {
  type Channel,
  type ChannelCall,
  type ChannelSettings,
  type ChannelState,
  type ChannelStream,
  StatusError,
} from "../../../client/index.js";
import { WatchDefinition, type WatchResponse } from "../../../proto/index.js";
import { anonymousCaller, errorText, messageOverheadBytes } from "../../../server/base/index.js";
import {
  type Call,
  type Method,
  type Reply,
  RpcError,
  statusCode,
  statusOfError,
  type UnaryMethod,
} from "../../../server/rpc/index.js";
import type { MemberServices } from "../../../server/member/index.js";
import type { Input, SimProcess } from "../../index.js";
import { InProcessStream } from "./in-process-stream.js";
import type { Machine, RunningMember } from "../machine/index.js";
import { OpenCalls, type OpenCall } from "./open-calls.js";
import type { StreamHold } from "./stream-hold.js";

/** The client's codecs and path of a method. */
interface ClientMethod<Request, Response> {
  readonly path: string;
  readonly encode: (request: Request) => Buffer;
  readonly decode: (bytes: Buffer) => Response;
  readonly share?: ((request: Request) => Request | undefined) | undefined;
}

const { fullName, methods } = WatchDefinition;
const watchPath = `/${fullName}/${methods.watch.name}`;

/**
 * Smallest bound of a client's messages with which messages are shared: no shared message is larger. A server's bound is always
 * larger.
 */
const minSharingBytes = 4 * 1024;

/** A resolved promise: `then` runs a callback in a microtask, in a fraction of the time of `queueMicrotask`. */
const settled = Promise.resolve();

const canceledError = (): StatusError => new StatusError(statusCode.canceled, "Cancelled on client");
const droppedError = (): StatusError => new StatusError(statusCode.unavailable, "Connection dropped");

/** Options of a channel. */
export interface InProcessOptions {
  readonly settings: ChannelSettings;
  readonly hold: StreamHold;
  /** Returns the services of a member that the channel calls. */
  readonly servicesOf: (member: RunningMember) => MemberServices;
}

/** A channel to the member on one machine. It connects again by itself when the member serves again. */
export class InProcessChannel implements Channel {
  state: ChannelState = "idle";
  private listener: () => void = () => undefined;
  private tellReplaced: (failure: StatusError) => void = () => undefined;
  /** The member that the channel is connected to. */
  private member: RunningMember | undefined;
  /** The method table of the connected member; `found` caches its methods by path. */
  private table: readonly Method[] = [];
  private readonly found = new Map<string, Method | undefined>();
  private isWanted = false;
  private readonly calls = new OpenCalls<InProcessCall<unknown>>();
  /** The streams that have not ended. */
  private readonly streams = new Set<InProcessStream>();
  private readonly ended: EndedCalls;
  private readonly stopWatching: () => void;
  private readonly settings: ChannelSettings;
  private readonly hold: StreamHold;
  private readonly servicesOf: (member: RunningMember) => MemberServices;

  constructor(
    private readonly machine: Machine,
    { settings, hold, servicesOf }: InProcessOptions,
  ) {
    this.settings = settings;
    this.hold = hold;
    this.servicesOf = servicesOf;
    this.ended = new EndedCalls(this.calls, settings.maxReceiveBytes);
    this.stopWatching = machine.watch({
      onChanged: () => this.onMemberChange(),
      onReplaced: (failure) => {
        this.breakAll(failure);
        this.tellReplaced(failure);
      },
    });
  }

  connect(): void {
    this.isWanted = true;
    if (this.state === "ready" || this.state === "connecting") return;
    const { running } = this.machine;
    if (running === undefined) {
      this.become("transient-failure");
      return;
    }
    this.become("connecting");
    // A frozen member accepts no connection: the connection waits until the member continues.
    running.process.receive(() =>
      queueMicrotask(() => {
        if (this.state !== "connecting" || this.machine.running !== running) return;
        this.member = running;
        this.become("ready");
      }),
    );
  }

  onStateChange(listener: () => void): void {
    this.listener = listener;
  }

  onReplaced(listener: (failure: StatusError) => void): void {
    this.tellReplaced = listener;
  }

  failureReason(): Promise<string> {
    return Promise.resolve(`member ${this.machine.name} is ${this.machine.state}`);
  }

  unary<Request, Response>(
    method: ClientMethod<Request, Response>,
    request: Request,
    _timeoutMs: number | undefined,
    onEnd: (failure: Error | null, response: Response | undefined) => void,
    metadata?: Readonly<Record<string, string>>,
  ): ChannelCall {
    const { member } = this;
    const shared = this.shareRequest(method, request);
    const Kind = shared === undefined ? InProcessCall : SharedCall;
    const call = new Kind<Response>(this.ended, method, onEnd, metadata);
    this.calls.add(call as InProcessCall<unknown>);
    const message = shared ?? this.checkSize(encodeRequest(method, request));
    const found = member && this.methodOf(member, method.path);
    if (message instanceof StatusError) call.break(message);
    else if (member === undefined) call.break(droppedError());
    else if (found?.kind !== "unary") call.break(unknownMethodError(method.path));
    else call.request(member.process, found, message);
    return call;
  }

  bidi<Request, Response>(
    method: ClientMethod<Request, Response>,
    metadata: Readonly<Record<string, string>>,
    onMessage: (response: Response) => void,
    onEnd: (failure: Error | undefined) => void,
  ): ChannelStream<Request> {
    const { member, streams, hold } = this;
    const release = hold.addStream();
    const stream = new InProcessStream({
      onMessage: (bytes) => {
        const response = method.decode(asBuffer(bytes));
        // Not for renewals of leases and for progress notices, which never end.
        if (method.path === watchPath && (response as WatchResponse).events.length > 0) hold.touch();
        onMessage(response);
      },
      onEnd: (failure) => {
        streams.delete(stream);
        release();
        onEnd(failure);
      },
    });
    streams.add(stream);
    const found = member && this.methodOf(member, method.path);
    if (member === undefined) stream.break(droppedError());
    else if (found?.kind !== "bidi" && found?.kind !== "server-stream") stream.break(unknownMethodError(method.path));
    else stream.openStream(member.process, found, callerWith(metadata));
    const send = (request: Request): void => {
      const bytes = encodeRequest(method, request);
      if (bytes instanceof StatusError) stream.break(bytes);
      else stream.send(bytes);
    };
    return { send, endRequests: () => stream.endRequests(), cancel: () => stream.break(canceledError()) };
  }

  close(): void {
    this.stopWatching();
    this.isWanted = false;
    this.member = undefined;
    this.state = "idle";
    this.breakAll(canceledError());
  }

  /** Returns the request as a message that needs no encoding; undefined: it must be encoded. */
  private shareRequest<Request>(method: ClientMethod<Request, unknown>, request: Request): object | undefined {
    const { maxSendBytes, maxReceiveBytes } = this.settings;
    if (method.share === undefined || Math.min(maxSendBytes, maxReceiveBytes) < minSharingBytes) return undefined;
    return method.share(request) as object | undefined;
  }

  /** Returns the bytes of a request, or a failure if they are too many for the client or the server. */
  private checkSize(bytes: Buffer | StatusError): Buffer | StatusError {
    const most = this.settings.maxSendBytes;
    const mostOfServer = this.machine.config.store.maxRequestBytes + messageOverheadBytes;
    if (bytes instanceof StatusError) return bytes;
    if (bytes.length > most)
      return tooLargeError("Attempted to send message with a size larger than", bytes.length, most);
    if (bytes.length <= mostOfServer) return bytes;
    return tooLargeError("grpc: received message larger than max", bytes.length, mostOfServer);
  }

  private methodOf(member: RunningMember, path: string): Method | undefined {
    const { found } = this;
    const { methods } = this.servicesOf(member);
    if (methods !== this.table) {
      this.table = methods;
      found.clear();
    }
    let method = found.get(path);
    if (method === undefined) found.set(path, (method = methods.find((each) => each.path === path)));
    return method;
  }

  private onMemberChange(): void {
    if (this.machine.running !== this.member && this.member !== undefined) {
      this.member = undefined;
      this.breakAll(droppedError());
      this.become("transient-failure");
    } else if (this.state === "connecting") this.become("transient-failure");
    if (this.isWanted && this.machine.running !== undefined) this.connect();
  }

  private breakAll(failure: StatusError): void {
    for (const each of this.calls.all()) each.break(failure);
    for (const each of [...this.streams]) each.break(failure);
  }

  private become(state: ChannelState): void {
    if (state === this.state) return;
    this.state = state;
    queueMicrotask(() => this.listener());
  }
}

/** Reports ended calls to clients, with one microtask for all calls that end in a turn of the event loop. */
class EndedCalls {
  private calls: InProcessCall<unknown>[] = [];

  /** @param maxBytes the largest answer that the client accepts */
  constructor(
    private readonly open: OpenCalls<InProcessCall<unknown>>,
    readonly maxBytes: number,
  ) {}

  add(call: InProcessCall<unknown>): void {
    if (this.calls.push(call) === 1) void settled.then(() => this.tell());
  }

  private tell(): void {
    const { calls } = this;
    this.calls = [];
    for (const call of calls) {
      this.open.delete(call);
      call.tell();
    }
  }
}

/** A unary call. */
class InProcessCall<Response> implements Call, ChannelCall, OpenCall<InProcessCall<unknown>>, Input, Reply<unknown> {
  before: InProcessCall<unknown> | undefined = undefined;
  after: InProcessCall<unknown> | undefined = undefined;
  private isOver = false;
  private cancellations: (() => void)[] | undefined = undefined;
  private method: UnaryMethod | undefined = undefined;
  private message: object | undefined = undefined;
  private failure: StatusError | undefined = undefined;
  /** The encoded response, or, of a shared call, the response itself. */
  private answer: Uint8Array | Response | undefined = undefined;

  /** @param onEnd called once, in a later microtask than the end */
  constructor(
    private readonly ended: EndedCalls,
    private readonly codec: Pick<ClientMethod<never, Response>, "decode">,
    private readonly onEnd: (failure: Error | null, response: Response | undefined) => void,
    private readonly sent: Readonly<Record<string, string>> | undefined,
  ) {}

  metadata(key: string): string | undefined {
    return this.sent?.[key];
  }

  deadline(): number {
    return Infinity;
  }

  addCancelListener(callback: () => void): void {
    (this.cancellations ??= []).push(callback);
  }

  /** Delivers the request to the member's process. @param message the encoded request, or, of a shared call, the request itself */
  request(process: SimProcess, method: UnaryMethod, message: object): void {
    this.method = method;
    this.message = message;
    process.receiveInput(this);
  }

  arrive(): void {
    const { method, message } = this;
    if (this.isOver || method === undefined || message === undefined) return;
    this.message = undefined;
    try {
      method.handle(this, this.requestOf(method, message), method.answer(this));
    } catch (error) {
      this.fail(error);
    }
  }

  protected requestOf(method: UnaryMethod, message: object): never {
    return method.decode(message as Buffer);
  }

  send(response: unknown): void {
    if (!this.isOver) this.endCall(undefined, this.method?.encode(response));
  }

  fail(error: unknown): void {
    if (!this.isOver) this.endCall(failureOf(error), undefined);
  }

  cancel(): void {
    this.break(canceledError());
  }

  /** The connection has broken. */
  break(failure: StatusError): void {
    if (this.isOver) return;
    this.endCall(failure, undefined);
    for (const callback of this.cancellations ?? []) callback();
  }

  /** Reports the end to the client. */
  tell(): void {
    const { answer, failure, ended } = this;
    if (failure !== undefined || answer === undefined) this.onEnd(failure ?? droppedError(), undefined);
    else if (!(answer instanceof Uint8Array)) this.onEnd(null, answer);
    else if (answer.length > ended.maxBytes)
      this.onEnd(tooLargeError("Received message larger than max", answer.length, ended.maxBytes), undefined);
    else this.decodeAnswer(answer);
  }

  private decodeAnswer(answer: Uint8Array): void {
    let response: Response;
    try {
      response = this.codec.decode(asBuffer(answer));
    } catch (error) {
      this.onEnd(
        new StatusError(statusCode.internal, `Response message parsing error: ${errorText(error)}`),
        undefined,
      );
      return;
    }
    this.onEnd(null, response);
  }

  protected endCall(failure: StatusError | undefined, answer: Uint8Array | Response | undefined): void {
    if (this.isOver) return;
    this.isOver = true;
    this.failure = failure;
    this.answer = answer;
    this.ended.add(this as InProcessCall<unknown>);
  }
}

/** A call whose request is not encoded, and whose answer need not be. */
class SharedCall<Response> extends InProcessCall<Response> {
  sendMessage(message: unknown): void {
    this.endCall(undefined, message as Response);
  }

  protected override requestOf(_method: UnaryMethod, message: object): never {
    return message as never;
  }
}

/** Returns the status that a client gets for an error of a handler. */
export const failureOf = (error: unknown): StatusError => {
  let unexpected: unknown;
  const { code, details } =
    error instanceof RpcError ? error.status : statusOfError(error, (each) => (unexpected = each));
  return Object.assign(new StatusError(code, details), unexpected === undefined ? {} : { cause: unexpected });
};

const callerWith = (metadata: Readonly<Record<string, string>>): Call => ({
  ...anonymousCaller,
  metadata: (key) => metadata[key],
  addCancelListener: () => undefined,
});

/** Encodes a request; returns the failure that grpc-js reports if it cannot be encoded. */
const encodeRequest = <Request, Response>(
  method: ClientMethod<Request, Response>,
  request: Request,
): Buffer | StatusError => {
  try {
    return method.encode(request);
  } catch (error) {
    return new StatusError(statusCode.internal, `Request message serialization failure: ${errorText(error)}`);
  }
};

const tooLargeError = (text: string, bytes: number, most: number): StatusError =>
  new StatusError(statusCode.resourceExhausted, `${text} (${bytes} vs. ${most})`);

const unknownMethodError = (path: string): StatusError =>
  new StatusError(statusCode.unimplemented, `unknown method ${path}`);

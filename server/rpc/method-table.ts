// The methods of a server, independent of the gRPC engine.

import type { Caller, ResultHandler } from "../base/index.js";
import { ListMessage } from "./list-message.js";
import { MethodStats } from "./method-stats.js";

/** A call and its caller. */
export interface Call extends Caller {
  /** Adds a callback that is called once if the client cancels before the answer. */
  addCancelListener(callback: () => void): void;
}

/** Receives the single answer of a unary call, or its encoding; a second answer is ignored. */
export interface Reply<Response> {
  send(response: Response | Uint8Array): void;
  /** Receives the answer as its client would decode it. Absent: the client accepts bytes only. */
  sendMessage?(message: unknown): void;
  /** Receives the answer in pieces that together are one message. Absent: the answer must be one piece. */
  sendPieces?(pieces: readonly ListMessage[]): void;
  fail(error: unknown): void;
}

/** Receives the responses of a stream. After `fail` or `endStream` no response is sent. */
export interface ResponseStream<Response> {
  /** Sends a response, also if there is no room. @returns false: there is no room left; the drain listener is called when there is again */
  send(response: Response): boolean;
  /**
   * Sets the callback that is called each time the buffer has drained after a `send` that returned false, or after an incomplete
   * `sendEach`.
   */
  setDrainListener(callback: () => void): void;
  fail(error: unknown): void;
  endStream(): void;
}

/** Receives the responses to one request. */
export interface ServerResponseStream<Response> extends ResponseStream<Response> {
  /** Sets the callback that is called once at the end of the stream; at once if it has ended. */
  setCloseListener(callback: () => void): void;
}

/** Decodes requests; a generated message type implements it. */
export interface Decoder<Message> {
  decode(bytes: Uint8Array): Message;
}
/** Encodes responses; a generated message type implements it. */
export interface Encoder<Message> {
  encode(message: Message): { finish(): Uint8Array };
}

/** Encodes answers that are bytes already, or in pieces. */
export const encodedAlready: Encoder<Uint8Array | ListMessage> = {
  encode: (message) => ({ finish: () => (message instanceof ListMessage ? message.toBytes() : message) }),
};

/** Returns the handler that sends an operation's result as the answer to a call. */
export type HandlerFactory<Result, Response> = (reply: Reply<Response>) => ResultHandler<Result>;

/** Sends a result unchanged. */
export const sendPlain = <Response>(reply: Reply<Response>): ResultHandler<Response> => ({
  onResult: (response) => reply.send(response),
  onError: (error) => reply.fail(error),
});

/** A method with one request and one response: an operation of the application, and the conversion of its result. */
export interface UnaryMethod<Request = never, Result = never, Response = unknown> {
  readonly kind: "unary";
  /** `/package.Service/Method` */
  readonly path: string;
  readonly stats: MethodStats;
  /** Decodes a request. The keys and values are views of `bytes`, which is not changed any more. */
  readonly decode: (bytes: Uint8Array) => Request;
  readonly encode: (response: Response) => Uint8Array;
  /** Serves a request; calls `handler` with the result, or throws. */
  readonly handle: (call: Call, request: Request, handler: ResultHandler<Result>) => void;
  readonly answer: HandlerFactory<Result, Response>;
  /** Whether the method only reads: its answer may be refused for lack of room. */
  readonly isRead: boolean;
}

/** A method with one request and a stream of responses. */
export interface ServerStreamMethod<Request = never, Response = unknown> {
  readonly kind: "server-stream";
  readonly path: string;
  readonly stats: MethodStats;
  readonly decode: (bytes: Uint8Array) => Request;
  readonly encode: (response: Response) => Uint8Array;
  readonly handle: (request: Request, call: Call, reply: ServerResponseStream<Response>) => void;
}

/** The bytes that differ in several messages. */
export interface Labelled {
  readonly label: Uint8Array;
}

/** Receives the responses of a bidirectional stream. */
export interface BidiResponseStream<Response> extends ResponseStream<Response> {
  /**
   * Sends a message for each of `labels[from]` to `labels[to - 1]`, while there is room: `head`, the label and `tail`, which do
   * not change any more.
   *
   * @returns the number of sent messages, in order; if fewer than all, the drain listener is called when there is room
   */
  sendEach(labels: readonly Labelled[], from: number, to: number, head: Uint8Array, tail: Uint8Array): number;
}

/** Receives the requests of a bidirectional stream. */
export interface RequestSink<Request> {
  /** Handles a request; an error that it throws ends the stream. */
  onRequest(request: Request): void;
  /** Called when the client sends no more requests; it may still read answers. */
  onHalfClose(): void;
  /** Called once, at the end of the stream. */
  onClosed(): void;
}

/** A method with a stream of requests and a stream of responses. */
export interface BidiMethod<Request = never, Response = unknown> {
  readonly kind: "bidi";
  readonly path: string;
  readonly stats: MethodStats;
  /**
   * Decodes a request. The keys and values are views of `bytes`: a sink that keeps some for long copies them, so as not to
   * retain the whole buffer.
   */
  readonly decode: (bytes: Uint8Array) => Request;
  readonly encode: (response: Response) => Uint8Array;
  readonly open: (call: Call, stream: BidiResponseStream<Response>) => RequestSink<Request>;
}

/** A method of etcd's API that this server does not implement: UNIMPLEMENTED for every request. */
export interface UnimplementedMethod {
  readonly kind: "unimplemented";
  readonly path: string;
  readonly stats: MethodStats;
  readonly requestStream: boolean;
  readonly responseStream: boolean;
}

/** Any method; its message types are erased. */
export type Method = UnaryMethod | ServerStreamMethod | BidiMethod | UnimplementedMethod;

/** Builds a unary method from codecs and an operation. */
export const unary = <Request, Result, Response>(
  path: string,
  request: Decoder<Request>,
  response: Encoder<Response>,
  handle: UnaryMethod<Request, Result, Response>["handle"],
  answer: HandlerFactory<Result, Response>,
  isRead = false,
): Method => ({
  kind: "unary",
  path,
  stats: new MethodStats(),
  decode: (bytes) => request.decode(bytes) as never,
  encode: (message) => (message instanceof Uint8Array ? message : response.encode(message as Response).finish()),
  handle,
  answer,
  isRead, // Always present: code that serves the calls of all methods is compiled for objects of one shape.
});

/** Builds a unary method without effects. */
export const unaryRead = <Request, Result, Response>(
  path: string,
  request: Decoder<Request>,
  response: Encoder<Response>,
  handle: UnaryMethod<Request, Result, Response>["handle"],
  answer: HandlerFactory<Result, Response>,
): Method => unary(path, request, response, handle, answer, true);

/** Builds a server-streaming method from codecs and a handler. */
export const serverStream = <Request, Response>(
  path: string,
  request: Decoder<Request>,
  response: Encoder<Response>,
  handle: ServerStreamMethod<Request, Response>["handle"],
): Method => ({
  kind: "server-stream",
  path,
  stats: new MethodStats(),
  decode: (bytes) => request.decode(bytes) as never,
  encode: (message) => response.encode(message as Response).finish(),
  handle,
});

/** Builds a bidirectional method from codecs and a function that opens a stream. */
export const bidi = <Request, Response>(
  path: string,
  request: Decoder<Request>,
  response: Encoder<Response>,
  open: BidiMethod<Request, Response>["open"],
): Method => ({
  kind: "bidi",
  path,
  stats: new MethodStats(),
  decode: (bytes) => request.decode(bytes) as never,
  encode: (message) => response.encode(message as Response).finish(),
  open,
});

/** Builds a method that is refused. */
export const unimplementedMethod = (
  path: string,
  { requestStream, responseStream }: Pick<UnimplementedMethod, "requestStream" | "responseStream">,
): UnimplementedMethod => ({ kind: "unimplemented", path, stats: new MethodStats(), requestStream, responseStream });

/** The part of a generated service definition that the table uses. */
export interface ServiceDefinition {
  readonly fullName: string;
  readonly methods: Readonly<
    Record<string, { readonly name: string; readonly requestStream: boolean; readonly responseStream: boolean }>
  >;
}

/** Returns the methods of `services` that are not in `methods`. */
export const unimplementedMethods = (
  services: readonly ServiceDefinition[],
  methods: readonly Method[],
): UnimplementedMethod[] => {
  const present = new Set(methods.map((method) => method.path));
  return services
    .flatMap((service) =>
      Object.values(service.methods).map((method) =>
        unimplementedMethod(`/${service.fullName}/${method.name}`, method),
      ),
    )
    .filter((method) => !present.has(method.path));
};

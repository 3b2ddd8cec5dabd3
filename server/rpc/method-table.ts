// The methods of a server, independent of the gRPC engine that carries them.

import type { Caller, ResultHandler } from "../base/index.js";
import { ListMessage } from "./list-message.js";
import { MethodStats } from "./method-stats.js";

/** The call around a request, and the caller that made it. */
export interface Call extends Caller {
  /** Calls back once when the client goes away before the answer. */
  onCancelled(callback: () => void): void;
}

/** Takes the one answer of a unary call, or its encoding; a second one is ignored. */
export interface Reply<Response> {
  send(response: Response | Uint8Array): void;
  /** Takes the answer as its client decodes it. Absent: the client takes bytes alone. */
  sendMessage?(message: unknown): void;
  /** Takes the answer in pieces that together are one message. Absent: it is to be sent in one. */
  sendPieces?(pieces: readonly ListMessage[]): void;
  fail(error: unknown): void;
}

/** Takes the answers of a server stream. After `fail` or `end` nothing more is sent. */
export interface StreamReply<Response> {
  /** False: enough is buffered; `onDrain` says when to go on. What is sent all the same is buffered too. */
  readonly send: (response: Response) => boolean;
  /** Calls back each time the buffer has drained after a `send` that said false. */
  readonly onDrain: (callback: () => void) => void;
  /** Calls back once when the stream is over, whoever ended it; at once if it is already. */
  readonly onClosed: (callback: () => void) => void;
  readonly fail: (error: unknown) => void;
  readonly end: () => void;
}

export interface Decoder<Message> {
  decode(bytes: Uint8Array): Message;
}
export interface Encoder<Message> {
  encode(message: Message): { finish(): Uint8Array };
}

/** Encodes answers that are put together as bytes, or of pieces. */
export const encodedAlready: Encoder<Uint8Array | ListMessage> = {
  encode: (message) => ({ finish: () => (message instanceof ListMessage ? message.toBytes() : message) }),
};

/** Makes the handler of an operation's outcome that sends it as the answer to a call. */
export type Answering<Result, Response> = (reply: Reply<Response>) => ResultHandler<Result>;

/** Sends a result as it is. */
export const sendPlain = <Response>(reply: Reply<Response>): ResultHandler<Response> => ({
  onResult: (response) => reply.send(response),
  onError: (error) => reply.fail(error),
});

/** A method with one request and one response: an operation of the application, and how its result is answered. */
export interface UnaryMethod<Request = never, Result = never, Response = unknown> {
  readonly kind: "unary";
  /** `/package.Service/Method` */
  readonly path: string;
  readonly stats: MethodStats;
  /** Decodes a request, whose keys and values are where they lie in `bytes`: nobody changes these any more. */
  readonly decode: (bytes: Uint8Array) => Request;
  readonly encode: (response: Response) => Uint8Array;
  /** Serves a request; tells `handler` of the outcome, or throws. */
  readonly handle: (call: Call, request: Request, handler: ResultHandler<Result>) => void;
  readonly answer: Answering<Result, Response>;
  /** True for a method that only reads: its answer may be refused, should there be no room for it. */
  readonly isRead: boolean;
}

/** A method with one request and a stream of responses. */
export interface ServerStreamMethod<Request = never, Response = unknown> {
  readonly kind: "server-stream";
  readonly path: string;
  readonly stats: MethodStats;
  readonly decode: (bytes: Uint8Array) => Request;
  readonly encode: (response: Response) => Uint8Array;
  readonly handle: (request: Request, call: Call, reply: StreamReply<Response>) => void;
}

/** Bytes that only one of several messages has. */
export interface Labelled {
  readonly label: Uint8Array;
}

/** The server's side of a stream in both directions. After `fail` or `end` nothing more is sent. */
export interface ResponseStream<Response> {
  /** False: enough is buffered; `onDrain` says when to go on. What is sent all the same is buffered too. */
  readonly send: (response: Response) => boolean;
  /**
   * Sends a message for each of `labels[from]` up to, not including, `labels[to]`, as long as there is room: `head`, the label and
   * `tail`, which do not change any more.
   *
   * @returns how many were sent, the first ones; if not all, `onDrain` says when to go on
   */
  sendEach(labels: readonly Labelled[], from: number, to: number, head: Uint8Array, tail: Uint8Array): number;
  /** Calls back each time the buffer has drained after a `send` that said false, or a `sendEach` that did not send all. */
  readonly onDrain: (callback: () => void) => void;
  readonly fail: (error: unknown) => void;
  readonly end: () => void;
}

/** Takes what comes of a stream in both directions. */
export interface RequestSink<Request> {
  /** Handles a request; an error that it throws ends the stream. */
  readonly onRequest: (request: Request) => void;
  /** The client will send no more, and may go on listening. */
  readonly onHalfClose: () => void;
  /** The stream is over, whoever ended it; called once. */
  readonly onClosed: () => void;
}

/** A method with a stream of requests and a stream of responses. */
export interface BidiMethod<Request = never, Response = unknown> {
  readonly kind: "bidi";
  readonly path: string;
  readonly stats: MethodStats;
  /**
   * Decodes a request, whose keys and values are where they lie in `bytes`: a sink that keeps some for long copies them, so as not to
   * keep all that arrived with them.
   */
  readonly decode: (bytes: Uint8Array) => Request;
  readonly encode: (response: Response) => Uint8Array;
  readonly open: (call: Call, stream: ResponseStream<Response>) => RequestSink<Request>;
}

/** A method of etcd's API that this server does not implement yet: UNIMPLEMENTED for every request. */
export interface UnimplementedMethod {
  readonly kind: "unimplemented";
  readonly path: string;
  readonly stats: MethodStats;
  readonly requestStream: boolean;
  readonly responseStream: boolean;
}

/** Any method; the types of its messages are known only to itself. */
export type Method = UnaryMethod | ServerStreamMethod | BidiMethod | UnimplementedMethod;

/** Makes a unary method of codecs and an operation. */
export const unary = <Request, Result, Response>(
  path: string,
  request: Decoder<Request>,
  response: Encoder<Response>,
  handle: UnaryMethod<Request, Result, Response>["handle"],
  answer: Answering<Result, Response>,
  isRead = false,
): Method => ({
  kind: "unary",
  path,
  stats: new MethodStats(),
  decode: (bytes) => request.decode(bytes) as never,
  encode: (message) => (message instanceof Uint8Array ? message : response.encode(message as Response).finish()),
  handle,
  answer,
  isRead, // also if false: code that serves calls of all methods is compiled for objects of one shape
});

/** Makes a unary method that changes nothing. */
export const unaryRead = <Request, Result, Response>(
  path: string,
  request: Decoder<Request>,
  response: Encoder<Response>,
  handle: UnaryMethod<Request, Result, Response>["handle"],
  answer: Answering<Result, Response>,
): Method => unary(path, request, response, handle, answer, true);

/** Makes a server-streaming method of codecs and a handler. */
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

/** Makes a method with streams in both directions of codecs and of what opens a stream. */
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

/** Makes a method that is refused. */
export const unimplementedMethod = (
  path: string,
  { requestStream, responseStream }: Pick<UnimplementedMethod, "requestStream" | "responseStream">,
): UnimplementedMethod => ({ kind: "unimplemented", path, stats: new MethodStats(), requestStream, responseStream });

/** A generated service definition, as far as the table needs it. */
export interface ServiceDefinition {
  readonly fullName: string;
  readonly methods: Readonly<
    Record<string, { readonly name: string; readonly requestStream: boolean; readonly responseStream: boolean }>
  >;
}

/** The methods of `services` that are not among `methods`. */
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

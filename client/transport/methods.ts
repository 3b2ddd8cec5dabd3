// Describes methods of etcd's services for calls and streams.
import type { MessageFns } from "../../proto/index.js";
import type { RequestKind } from "./errors.js";

/** A method of a service, with its codecs. */
export interface UnaryMethod<Request, Response> {
  readonly path: string;
  readonly kind: RequestKind;
  readonly encode: (request: Request) => Buffer;
  readonly decode: (bytes: Buffer) => Response;
  /**
   * Returns a message that a server in this process can take without encoding: equal to the decoded message, with bytes that
   * nobody changes. Undefined: this request must be encoded. Absent: all requests must be encoded.
   */
  readonly share?: ((request: Request) => Request | undefined) | undefined;
}

/** A bidirectional streaming method of a service, with its codecs. */
export interface StreamMethod<Request, Response> {
  readonly path: string;
  readonly encode: (request: Request) => Buffer;
  readonly decode: (bytes: Buffer) => Response;
}

interface MethodDefinition<Request, Response> {
  readonly name: string;
  readonly requestType: MessageFns<Request>;
  readonly responseType: MessageFns<Response>;
}

/**
 * Codecs that are faster than the generated codecs; absent: the generated codec is used. Decoders return keys and values as
 * Uint8Array, not as Buffer.
 */
interface Codecs<Request, Response> {
  readonly request?: {
    encode(request: Request): Buffer;
    /** See `UnaryMethod.share`. */
    readonly share?: (request: Request) => Request | undefined;
  };
  readonly response?: { decode(bytes: Uint8Array): Response };
}

/** Describes a unary method; `kind` determines whether it may be retried. */
export const unaryMethod = <Request, Response>(
  kind: RequestKind,
  service: { readonly fullName: string },
  method: MethodDefinition<Request, Response>,
  { request, response }: Codecs<Request, Response> = {},
): UnaryMethod<Request, Response> => {
  const { path, encode, decode } = streamMethod(service, method);
  return {
    kind,
    path,
    encode: request === undefined ? encode : (message) => request.encode(message),
    decode: response === undefined ? decode : (bytes) => response.decode(bytes),
    share: request?.share,
  };
};

/** Describes a method with a stream of requests and a stream of responses. */
export const streamMethod = <Request, Response>(
  service: { readonly fullName: string },
  { name, requestType, responseType }: MethodDefinition<Request, Response>,
): StreamMethod<Request, Response> => ({
  path: `/${service.fullName}/${name}`,
  encode: (request) => asBuffer(requestType.encode(request).finish()),
  decode: (bytes) => responseType.decode(asPlainArray(bytes)),
});

/** Returns the bytes as Uint8Array, because keys and values of results are not Buffers. */
const asPlainArray = (bytes: Buffer) => new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);

const asBuffer = (bytes: Uint8Array) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);

/** The limits of one call. */
export interface CallLimits {
  /** A time of the client's clock. */
  readonly deadline: number;
  readonly signal: AbortSignal | undefined;
}

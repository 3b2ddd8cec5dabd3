// Methods of etcd's services, as calls and streams need them.
import type { MessageFns } from "../../proto/index.js";
import type { RequestKind } from "./errors.js";

/** A method of a service, with its codecs. */
export interface UnaryMethod<Request, Response> {
  readonly path: string;
  readonly kind: RequestKind;
  readonly encode: (request: Request) => Buffer;
  readonly decode: (bytes: Buffer) => Response;
  /**
   * Gives a message that a server in this process may have as it is, as its decoder would return it and with bytes that nobody
   * changes. Undefined: this request has to be encoded. Absent: all have to be.
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

/** Codecs that are faster than the generated ones; an absent one is the generated one. A decoder's keys and values are plain arrays. */
interface Codecs<Request, Response> {
  readonly request?: {
    encode(request: Request): Buffer;
    /** See `UnaryMethod.share`. */
    readonly share?: (request: Request) => Request | undefined;
  };
  readonly response?: { decode(bytes: Uint8Array): Response };
}

/** Describes a unary method; `kind` says whether it may be retried. */
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

/** Describes a method with a stream of requests and one of responses. */
export const streamMethod = <Request, Response>(
  service: { readonly fullName: string },
  { name, requestType, responseType }: MethodDefinition<Request, Response>,
): StreamMethod<Request, Response> => ({
  path: `/${service.fullName}/${name}`,
  encode: (request) => asBuffer(requestType.encode(request).finish()),
  decode: (bytes) => responseType.decode(asPlainArray(bytes)),
});

/** A plain view, so that keys and values come out as Uint8Array and not as Buffer. */
const asPlainArray = (bytes: Buffer) => new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);

const asBuffer = (bytes: Uint8Array) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);

/** The bounds of one call. */
export interface CallLimits {
  /** A time of the client's clock. */
  readonly deadline: number;
  readonly signal: AbortSignal | undefined;
}

// Calls of any method of one server, as any user: the messages of the answer, and the status.
import {
  Client,
  type ClientDuplexStream,
  type ClientReadableStream,
  credentials,
  Metadata,
  type StatusObject,
  status,
} from "@grpc/grpc-js";
import {
  AuthDefinition,
  ClusterDefinition,
  ElectionDefinition,
  KVDefinition,
  LeaseDefinition,
  LockDefinition,
  MaintenanceDefinition,
  WatchDefinition,
} from "../../../proto/index.js";
import { scaleMs } from "../../support/machine-speed.js";

/** A decoded message as plain data. */
export type Fields = Readonly<Record<string, unknown>>;

/** A call: a method such as `KV/Range`, the non-default fields of its request, and a token. */
export interface Call {
  readonly method: string;
  readonly fields: object;
  /** Undefined: the call has no token. */
  readonly token?: string | undefined;
  /** The metadata of the token. Default: `token`. */
  readonly header?: TokenHeader | undefined;
}

/** Metadata with a token: its name; in the last form the value begins with `Bearer `. */
export type TokenHeader = "token" | "authorization" | "bearer";

/** The end of a call. */
export interface Outcome {
  readonly code: number;
  readonly details: string;
  readonly messages: readonly Fields[];
  /** The answer over the gateway: its HTTP status, and the names and types of each of its lines. */
  readonly http?: { readonly status: number | undefined; readonly form: readonly unknown[] };
}

/** Tells whether a call ended with one of these codes. */
export const hasEndedWith = ({ code }: Outcome, ...codes: readonly number[]): boolean => codes.includes(code);

interface Method {
  readonly path: string;
  readonly answersOnce: boolean;
  readonly requestType: { fromPartial(fields: object): unknown; encode(message: never): { finish(): Uint8Array } };
  readonly responseType: { decode(bytes: Uint8Array): unknown };
}

interface Definition {
  readonly name: string;
  readonly requestType: Method["requestType"];
  readonly responseType: Method["responseType"];
  readonly requestStream: boolean;
  readonly responseStream: boolean;
}

const services = [
  AuthDefinition,
  ClusterDefinition,
  ElectionDefinition,
  KVDefinition,
  LeaseDefinition,
  LockDefinition,
  MaintenanceDefinition,
  WatchDefinition,
];

const methods = new Map(
  services.flatMap(({ fullName, name, methods: all }) =>
    Object.values(all as unknown as Record<string, Definition>).map((definition): [string, Method] => [
      `${name}/${definition.name}`,
      {
        path: `/${fullName}/${definition.name}`,
        answersOnce: !definition.requestStream && !definition.responseStream,
        requestType: definition.requestType,
        responseType: definition.responseType,
      },
    ]),
  ),
);

/** Timeout that only a call that hangs exceeds. */
const deadlineMs = scaleMs(30_000);

/** Fields that differ between any two clusters. */
const idFields = new Set(["clusterId", "memberId", "raftTerm"]);

/** Returns the same data with ids replaced by 1 or 0: only their presence can be compared. */
function omitIds(value: unknown, field?: string): unknown {
  if (typeof value === "bigint" && field !== undefined && idFields.has(field)) return value === 0n ? 0n : 1n;
  if (Array.isArray(value)) return value.map((item) => omitIds(item));
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, omitIds(inner, name)]));
}

const methodOf = (name: string): Method => {
  const method = methods.get(name);
  if (method === undefined) throw new Error(`no method ${name}`);
  return method;
};

/** Returns the path of a method such as `KV/Range`. */
export const pathOf = (name: string): string => methodOf(name).path;

/** Encodes a request of a method. */
export const encodeRequest = (name: string, fields: object): Uint8Array => encoderOf(methodOf(name))(fields);

/** Decodes an answer of a method. */
export const decodeResponse = (name: string, bytes: Uint8Array): Fields =>
  decoderOf(methodOf(name))(Buffer.from(bytes));

const encoderOf =
  ({ requestType }: Method) =>
  (fields: object): Buffer =>
    Buffer.from(requestType.encode(requestType.fromPartial(fields) as never).finish());

const decoderOf =
  ({ responseType }: Method) =>
  (bytes: Buffer): Fields =>
    omitIds(responseType.decode(new Uint8Array(bytes))) as Fields;

const metadataOf = ({ token, header = "token" }: Pick<Call, "token" | "header">): Metadata => {
  const metadata = new Metadata();
  if (token === undefined) return metadata;
  if (header === "bearer") metadata.set("authorization", `Bearer ${token}`);
  else metadata.set(header, token);
  return metadata;
};

const credentialsOf = (tls?: { readonly ca: string; readonly cert: string; readonly key: string }) =>
  tls === undefined
    ? credentials.createInsecure()
    : credentials.createSsl(Buffer.from(tls.ca), Buffer.from(tls.key), Buffer.from(tls.cert));

/** One connection to one server. */
export class Caller {
  private readonly grpc: Client;

  /**
   * @param endpoint `host:port`
   * @param tls certificates as PEM
   */
  constructor(endpoint: string, tls?: { readonly ca: string; readonly cert: string; readonly key: string }) {
    this.grpc = new Client(endpoint, credentialsOf(tls), { "grpc.max_receive_message_length": -1 });
  }

  /** Calls a method with one request message, and waits for the whole answer. */
  call(call: Call): Promise<Outcome> {
    return methodOf(call.method).answersOnce ? this.callOnce(call) : this.read(this.openReading(call));
  }

  /** Calls a method whose stream does not end, and cancels it after the first message. */
  callForFirst(call: Call): Promise<Outcome> {
    const reading = this.openReading(call);
    return this.read(reading, () => {
      reading.cancel();
    });
  }

  /** Opens a bidirectional stream. */
  open({ method: name, token, header }: Omit<Call, "fields">): Conversation {
    const method = methodOf(name);
    const options = { deadline: Date.now() + 10 * deadlineMs };
    return new Conversation(
      this.grpc.makeBidiStreamRequest(
        method.path,
        encoderOf(method),
        decoderOf(method),
        metadataOf({ token, header }),
        options,
      ),
    );
  }

  close(): void {
    this.grpc.close();
  }

  private callOnce({ method: name, fields, ...how }: Call): Promise<Outcome> {
    const method = methodOf(name);
    const options = { deadline: Date.now() + deadlineMs };
    return new Promise((resolve) => {
      this.grpc.makeUnaryRequest<object, Fields>(
        method.path,
        encoderOf(method),
        decoderOf(method),
        fields,
        metadataOf(how),
        options,
        (error, message) => {
          if (error !== null) resolve({ code: error.code, details: error.details, messages: [] });
          else resolve({ code: status.OK, details: "", messages: message === undefined ? [] : [message] });
        },
      );
    });
  }

  private openReading({ method: name, fields, ...how }: Call): ClientReadableStream<Fields> {
    const method = methodOf(name);
    const options = { deadline: Date.now() + deadlineMs };
    return this.grpc.makeServerStreamRequest(
      method.path,
      encoderOf(method),
      decoderOf(method),
      fields,
      metadataOf(how),
      options,
    );
  }

  private read(call: ClientReadableStream<Fields>, onMessage: () => void = () => undefined): Promise<Outcome> {
    const messages: Fields[] = [];
    call.on("data", (message: Fields) => {
      messages.push(message);
      onMessage();
    });
    call.on("error", () => undefined); // the status event reports it
    return new Promise((resolve) =>
      call.on("status", ({ code, details }: StatusObject) => {
        resolve({ code, details, messages });
      }),
    );
  }
}

/** A bidirectional stream: each `next` returns the next message, or the status at the end of the stream. */
export class Conversation {
  private readonly received: Fields[] = [];
  private ended: Outcome | undefined;
  private wake: () => void = () => undefined;

  constructor(private readonly stream: ClientDuplexStream<object, Fields>) {
    stream.on("data", (message: Fields) => {
      this.received.push(message);
      this.wake();
    });
    stream.on("error", () => undefined); // the status event reports it
    stream.on("status", ({ code, details }: StatusObject) => {
      this.ended = { code, details, messages: [] };
      this.wake();
    });
  }

  send(fields: object): void {
    this.stream.write(fields);
  }

  /** Waits for the next message that is wanted, and drops earlier ones. */
  async next(isWanted: (message: Fields) => boolean = () => true): Promise<Outcome> {
    for (;;) {
      for (let message = this.received.shift(); message !== undefined; message = this.received.shift())
        if (isWanted(message)) return { code: status.OK, details: "", messages: [message] };
      if (this.ended !== undefined) return this.ended;
      await new Promise<void>((resolve) => (this.wake = resolve));
    }
  }

  close(): void {
    this.stream.cancel();
  }
}

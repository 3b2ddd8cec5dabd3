// The transport over sockets: channels of grpc-js.
import type * as GrpcJs from "@grpc/grpc-js";
import { createRequire } from "node:module";
import { HealthDefinition, socketPathProblem } from "../../proto/index.js";
import type { Channel, ChannelCall, ChannelSettings, ChannelState, ChannelStream, Transport } from "./channel.js";
import { asTimer } from "./clock.js";
import { streamMethod, type StreamMethod } from "./methods.js";
import { clientTls, serverCheck, withTlsAdvice } from "./tls.js";

/** Pauses between attempts to reconnect: the first pause and the longest. */
const reconnectMs = { first: 100, longest: 3_000 };

/** Time for grpc-js to report why a connection could not be made. */
const reasonTimeoutMs = 100;

const check = streamMethod(HealthDefinition, HealthDefinition.methods.check);

let loaded: typeof GrpcJs | undefined;
/**
 * Loads grpc-js for the first connection: loading takes as long as a hundred requests, and clients of other transports do not
 * need it.
 */
const grpcJs = (): typeof GrpcJs => (loaded ??= createRequire(import.meta.url)("@grpc/grpc-js") as typeof GrpcJs);

/** States of a channel by the numbers of grpc-js. */
const states: readonly ChannelState[] = ["idle", "connecting", "ready", "transient-failure"];

/** An endpoint in the form of grpc-js. */
interface Target {
  readonly name: string;
  readonly host: string;
  /** Undefined: TLS if the client has TLS options. */
  readonly isSecure: boolean | undefined;
}

/**
 * Reads an endpoint.
 *
 * @throws TypeError if the endpoint is malformed
 */
function targetOf(endpoint: string): Target {
  const refuse = (reason: string): never => {
    throw new TypeError(`Cannot use endpoint "${endpoint}": ${reason}`);
  };
  const [, scheme, rest = ""] = /^(?:([a-z]+):(?:\/\/)?(?!\d+$))?(.*)$/s.exec(endpoint) ?? [];
  if (scheme === "unix" || scheme === "unixs") {
    const problem = rest === "" ? "the path is missing" : socketPathProblem(rest);
    const isSecure = scheme === "unixs" ? true : undefined;
    return problem === undefined ? { name: `unix:${rest}`, host: "localhost", isSecure } : refuse(problem);
  }
  if (scheme !== undefined && scheme !== "http" && scheme !== "https") refuse(`unknown scheme "${scheme}"`);
  const [, host, port] = /^([^/:[\]]+|\[[\da-fA-F:.]+\]):(\d{1,5})\/?$/.exec(rest) ?? [];
  if (host === undefined || Number(port) > 65_535)
    return refuse("expected host:port, https://host:port, http://host:port or unix:path");
  return { name: `dns:${host}:${port}`, host, isSecure: scheme === undefined ? undefined : scheme === "https" };
}

/**
 * Cancels a call so that nothing of it remains on the connection. grpc-js starts a call some microtasks after it was made, even
 * if it was canceled meanwhile: the server would continue it, and the connection could not close.
 */
function cancelCall(call: ChannelCall): void {
  call.cancel();
  setImmediate(() => call.cancel());
}

function toGrpcMetadata(metadata: Readonly<Record<string, string>>): GrpcJs.Metadata {
  const sent = new (grpcJs().Metadata)();
  for (const [name, value] of Object.entries(metadata)) sent.set(name, value);
  return sent;
}

const noTls = { serverName: undefined };

class GrpcChannel implements Channel {
  private client: GrpcJs.Client | undefined;
  private listener: () => void = () => undefined;
  private isClosed = false;

  constructor(
    private readonly target: Target,
    private readonly settings: ChannelSettings,
  ) {}

  get state(): ChannelState {
    return this.client === undefined || this.isClosed ? "idle" : this.stateOf(this.client, false);
  }

  connect(): void {
    if (this.isClosed) return;
    const isNew = this.client === undefined;
    this.client ??= this.newClient();
    this.stateOf(this.client, true);
    if (isNew) this.watch(this.client);
  }

  onStateChange(listener: () => void): void {
    this.listener = listener;
  }

  /** grpc-js reports the reason only to a call, so this makes one, which fails at once. */
  failureReason(): Promise<string> {
    return new Promise((resolve) => {
      this.unary(check, { service: "" }, reasonTimeoutMs, (failure) => {
        const { details = "" } = (failure ?? {}) as Partial<GrpcJs.ServiceError>;
        if (failure === null) resolve("the server has just come up");
        else if (details.startsWith("Deadline exceeded")) resolve("no answer");
        else {
          const reason = details.replace(/^.*Last error: (?:Error: )?|\. Resolution note:.*$/gs, "");
          resolve(withTlsAdvice(reason, this.isSecure));
        }
      });
    });
  }

  unary<Request, Response>(
    { path, encode, decode }: StreamMethod<Request, Response>,
    request: Request,
    timeoutMs: number | undefined,
    onEnd: (failure: Error | null, response: Response | undefined) => void,
    metadata: Readonly<Record<string, string>> = {},
  ): ChannelCall {
    const options = timeoutMs === undefined ? {} : { deadline: Date.now() + timeoutMs };
    const sent = toGrpcMetadata(metadata);
    const call = this.ensureClient().makeUnaryRequest(path, encode, decode, request, sent, options, onEnd);
    return { cancel: () => cancelCall(call) };
  }

  bidi<Request, Response>(
    { path, encode, decode }: StreamMethod<Request, Response>,
    metadata: Readonly<Record<string, string>>,
    onMessage: (response: Response) => void,
    onEnd: (failure: Error | undefined) => void,
  ): ChannelStream<Request> {
    const sent = toGrpcMetadata(metadata);
    const call = this.ensureClient().makeBidiStreamRequest(path, encode, decode, sent, {});
    call.on("data", onMessage);
    // May also be emitted after the end: an answer that was in flight then is an error of the stream.
    call.on("error", onEnd);
    call.on("status", () => {
      // While the stream is paused, some answers may still be buffered.
      if (call.readableLength === 0) onEnd(undefined);
      else call.on("end", () => onEnd(undefined));
    });
    return {
      send: (request) => void call.write(request),
      endRequests: () => call.end(),
      pause: () => void call.pause(),
      resume: () => void call.resume(),
      cancel: () => cancelCall(call),
    };
  }

  close(): void {
    this.isClosed = true;
    this.client?.close();
  }

  private ensureClient(): GrpcJs.Client {
    return (this.client ??= this.newClient());
  }

  private newClient(): GrpcJs.Client {
    const { settings } = this;
    return new (grpcJs().Client)(this.target.name, this.credentials(), {
      ...(this.nameOverride === undefined ? {} : { "grpc.ssl_target_name_override": this.nameOverride }),
      "grpc.initial_reconnect_backoff_ms": reconnectMs.first,
      "grpc.max_reconnect_backoff_ms": reconnectMs.longest,
      "grpc.keepalive_time_ms": asTimer(settings.keepaliveTimeMs),
      "grpc.keepalive_timeout_ms": asTimer(settings.keepaliveTimeoutMs),
      "grpc.max_receive_message_length": settings.maxReceiveBytes,
      "grpc.max_send_message_length": settings.maxSendBytes,
      // Connections that are shared with another client of the process would share its keepalive settings and be closed by it.
      "grpc.use_local_subchannel_pool": 1,
      // A proxy in environment variables is meant for the web; not even 127.0.0.1 could be reached through it.
      "grpc.enable_http_proxy": 0,
      "grpc.service_config_disable_resolution": 1,
    });
  }

  private get isSecure(): boolean {
    return this.target.isSecure ?? this.settings.tls !== undefined;
  }

  private get nameOverride(): string | undefined {
    return this.isSecure ? serverCheck(this.target.host, this.settings.tls ?? noTls).nameOverride : undefined;
  }

  private credentials(): GrpcJs.ChannelCredentials {
    const { credentials } = grpcJs();
    if (!this.isSecure) return credentials.createInsecure();
    const tls = this.settings.tls ?? clientTls({});
    const check = serverCheck(this.target.host, tls).checkServerIdentity;
    return credentials.createFromSecureContext(tls.context, {
      rejectUnauthorized: !tls.insecureSkipVerify,
      ...(check === undefined ? {} : { checkServerIdentity: check }),
    });
  }

  private stateOf(client: GrpcJs.Client, connect: boolean): ChannelState {
    return states[client.getChannel().getConnectivityState(connect)] ?? "idle";
  }

  private watch(client: GrpcJs.Client): void {
    const channel = client.getChannel();
    channel.watchConnectivityState(channel.getConnectivityState(false), Infinity, () => {
      if (this.isClosed) return;
      this.listener();
      this.watch(client);
    });
  }
}

/** Carries calls over TCP and Unix sockets, with grpc-js. */
export const grpcTransport: Transport = {
  open: (endpoint, settings) => new GrpcChannel(targetOf(endpoint), settings),
};

// Options of a client: endpoints, timeouts, sizes.
import type { ChannelSettings, Transport } from "./channel.js";
import { grpcTransport } from "./grpc-channel.js";
import { checkCredentials, type CredentialsSource, Login } from "./login.js";
import { clientTls, type TlsOptions } from "./tls.js";

/** Checks of connections. All times are in milliseconds. */
export interface KeepaliveOptions {
  /**
   * Time without messages on a connection in use after which the server is pinged. Raised to 10 000, as in etcd's
   * Go client: servers close a connection that pings too often. Infinity: never. Default: 10 000.
   */
  readonly timeMs?: number | undefined;
  /** Time to wait for the answer to a ping, after which the connection counts as broken. Default: 6 000. */
  readonly timeoutMs?: number | undefined;
}

/** Bounds of messages, in bytes. */
export interface MessageOptions {
  /** Maximum size of an answer; a larger one is an error. Default: 2^31-1. */
  readonly maxReceiveBytes?: number | undefined;
  /** Maximum size of a request; a larger one is an error, and is not sent. Default: 2 MiB. */
  readonly maxSendBytes?: number | undefined;
}

/** All times are in milliseconds, all sizes in bytes. */
export interface ClientOptions {
  /**
   * `host:port`, `https://host:port`, `http://host:port`, `unix:path` or `unixs:path`; at least one. Endpoints without a scheme,
   * and `unix:`, use TLS if `tls` is given.
   */
  readonly endpoints: readonly string[];
  /** Limit of the wait for the first connection. Default: 2 000. */
  readonly dialTimeoutMs?: number | undefined;
  /** Limit of a request that sets no `timeoutMs`, connecting included. Default: 5 000. */
  readonly requestTimeoutMs?: number | undefined;
  /** Pings that check the connections. */
  readonly keepalive?: KeepaliveOptions | undefined;
  /** Sizes of messages. */
  readonly messages?: MessageOptions | undefined;
  /**
   * Carries the calls, instead of gRPC over sockets; for servers in the same process. `endpoints` are then names of this
   * transport. Failover, deadlines and retries are the same with every transport.
   */
  readonly transport?: Transport | undefined;
  /** Certificates, and the check of servers' certificates. Default, for https: Node's built-in authorities. */
  readonly tls?: TlsOptions | undefined;
  /**
   * The user: `{ user, password }`, `{ token }` for a token that was issued elsewhere, or a function that returns one of them for
   * each login. The client logs in with its first request, and again when its token is no longer valid; a fixed token is not renewed.
   */
  readonly auth?: CredentialsSource | undefined;
}

/** Options of every request. */
export interface RequestOptions {
  /** Instead of the client's `requestTimeoutMs`. */
  readonly timeoutMs?: number | undefined;
  /**
   * Aborts the request. The outcome of a write is then unknown. `AbortSignal.timeout()` counts as a deadline: the next
   * request goes to another server.
   */
  readonly signal?: AbortSignal | undefined;
}

/** Options of a client, each with a value. */
export interface TransportSettings {
  readonly dialTimeoutMs: number;
  readonly requestTimeoutMs: number;
  readonly transport: Transport;
  /** Settings of each channel that `transport` opens. */
  readonly channel: ChannelSettings;
  /** Undefined: requests carry no token. */
  readonly login: Login | undefined;
}

type Limits = Pick<TransportSettings, "dialTimeoutMs" | "requestTimeoutMs"> & Omit<ChannelSettings, "tls">;

const defaults: Limits = {
  dialTimeoutMs: 2_000,
  requestTimeoutMs: 5_000,
  keepaliveTimeMs: 10_000,
  keepaliveTimeoutMs: 6_000,
  maxReceiveBytes: 2 ** 31 - 1,
  maxSendBytes: 2 * 1024 * 1024,
};

/** @see grpc-go, keepalive.ClientParameters: Time */
const minKeepaliveTimeMs = 10_000;

/**
 * Checks options and adds the defaults.
 *
 * @throws TypeError if an option is unknown, because an ignored option, such as a certificate, would be noticed too late; also if
 * certificates or credentials are invalid
 * @throws RangeError if a time or size is not a number above 0
 */
export function settingsOf({
  endpoints,
  transport = grpcTransport,
  tls,
  keepalive = {},
  messages = {},
  auth,
  ...given
}: ClientOptions): TransportSettings {
  if (endpoints.length === 0) throw new RangeError("Cannot create a client: no endpoints given");
  refuseUnknown(given, "", optionNames);
  refuseUnknown(keepalive, "keepalive.", ["timeMs", "timeoutMs"]);
  refuseUnknown(messages, "messages.", ["maxReceiveBytes", "maxSendBytes"]);
  const times = { keepaliveTimeMs: keepalive.timeMs, keepaliveTimeoutMs: keepalive.timeoutMs };
  const wanted = Object.entries({ ...given, ...messages, ...times }).filter(([, value]) => value !== undefined);
  const limits: Limits = { ...defaults, ...Object.fromEntries(wanted) };
  for (const [name, value] of Object.entries(limits))
    if (!(value > 0)) throw new RangeError(`Cannot create a client: ${name} must be above 0, not ${value}`);
  const { dialTimeoutMs, requestTimeoutMs, ...channel } = limits;
  const keepaliveTimeMs = Math.max(channel.keepaliveTimeMs, minKeepaliveTimeMs);
  return {
    dialTimeoutMs,
    requestTimeoutMs,
    transport,
    channel: { ...channel, keepaliveTimeMs, tls: tls && clientTls(tls) },
    login: auth === undefined ? undefined : new Login(typeof auth === "function" ? auth : checkCredentials(auth)),
  };
}

const optionNames = ["dialTimeoutMs", "requestTimeoutMs"];

function refuseUnknown(options: object, prefix: string, names: readonly string[]): void {
  const unknown = Object.keys(options).find((name) => !names.includes(name));
  if (unknown !== undefined) throw new TypeError(`Cannot create a client: there is no option "${prefix}${unknown}"`);
}

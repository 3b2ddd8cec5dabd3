// TLS of a client's connections.
import { isIP } from "node:net";
import { checkServerIdentity, createSecureContext, type PeerCertificate, type SecureContext } from "node:tls";

/** TLS of a client. Certificates and keys are PEM, as text or bytes. */
export interface TlsOptions {
  /** Authorities that verify servers' certificates. Default: Node's built-in ones. */
  readonly ca?: string | Uint8Array | undefined;
  /** The client's own certificate, for servers that ask for one. */
  readonly cert?: string | Uint8Array | undefined;
  /** The private key of `cert`. */
  readonly key?: string | Uint8Array | undefined;
  /** Accepts any certificate of a server. An attacker on the network can then read and change all data. */
  readonly insecureSkipVerify?: boolean | undefined;
  /** The host that servers' certificates must be valid for. Default: the host of the endpoint. */
  readonly serverName?: string | undefined;
}

/** The TLS settings of connections. */
export interface ClientTls {
  readonly context: SecureContext;
  readonly insecureSkipVerify: boolean;
  readonly serverName: string | undefined;
}

const names = new Set(["ca", "cert", "key", "insecureSkipVerify", "serverName"]);

/** Checks the options. @throws TypeError if an option is unknown or a certificate is invalid */
export function clientTls(options: TlsOptions): ClientTls {
  const unknown = Object.keys(options).find((name) => !names.has(name));
  if (unknown !== undefined) throw new TypeError(`Cannot use TLS: there is no option "tls.${unknown}"`);
  const { ca, cert, key, insecureSkipVerify = false, serverName } = options;
  if ((cert === undefined) !== (key === undefined))
    throw new TypeError("Cannot use TLS: tls.cert and tls.key must both be given, or neither");
  return { context: contextOf(ca, cert, key), insecureSkipVerify, serverName };
}

type Pem = string | Uint8Array | undefined;

function contextOf(ca: Pem, cert: Pem, key: Pem): SecureContext {
  try {
    return createSecureContext({ ca: asBuffer(ca), cert: asBuffer(cert), key: asBuffer(key), minVersion: "TLSv1.2" });
  } catch (cause) {
    const mismatch = String((cause as NodeJS.ErrnoException).code).includes("MISMATCH");
    const reason = mismatch ? "tls.key does not belong to tls.cert" : "tls.ca, tls.cert and tls.key must be PEM";
    throw new TypeError(`Cannot use TLS: ${reason}`, { cause });
  }
}

const asBuffer = (pem: Pem): string | Buffer | undefined =>
  pem === undefined || typeof pem === "string" ? pem : Buffer.from(pem.buffer, pem.byteOffset, pem.byteLength);

/** The settings of a server's check: the name that is sent to the server (SNI), and the check of its certificate. */
export interface ServerCheck {
  /** Undefined: the endpoint's host. */
  readonly nameOverride: string | undefined;
  readonly checkServerIdentity: ((host: string, certificate: PeerCertificate) => Error | undefined) | undefined;
}

/**
 * Returns how a server is checked.
 *
 * @param host the endpoint's host
 */
export function serverCheck(host: string, { serverName }: Pick<ClientTls, "serverName">): ServerCheck {
  const address = host.replace(/^\[|\]$/g, "");
  if (serverName !== undefined) return { nameOverride: serverName, checkServerIdentity: undefined };
  if (isIP(address) === 0) return { nameOverride: undefined, checkServerIdentity: undefined };
  // grpc-js would send an IP address as the server's name, which RFC 6066 §3 forbids and Node warns of.
  return {
    nameOverride: "localhost",
    checkServerIdentity: (_name, certificate) => checkServerIdentity(address, certificate),
  };
}

/** Advice for failures of TLS, by Node's error texts. */
const advice: readonly (readonly [RegExp, string])[] = [
  [
    /self.signed|unable to (?:verify|get)|certificate signature failure|UNABLE_TO|SELF_SIGNED|CERT_SIGNATURE/i,
    "the server's certificate is of an authority that is not trusted: give its certificate as tls.ca (--cacert)",
  ],
  [
    /altnames|ALTNAME/,
    "the server's certificate is not valid for this host: use a host that it names, or tls.serverName",
  ],
  [/certificate has expired|CERT_HAS_EXPIRED/, "the server's certificate has expired"],
  [
    /alert certificate required|alert number 116|alert handshake failure/,
    "the server asks for a certificate: give tls.cert and tls.key (--cert, --key)",
  ],
  [/alert (?:unknown ca|bad certificate|certificate unknown)/, "the server does not accept this client's certificate"],
  [/wrong version number|packet length too long|http request/, "the server does not speak TLS: use http://"],
  [
    /disconnected before secure TLS connection/,
    "the server closed the connection before it spoke TLS: if it does not speak TLS, use http://",
  ],
];

/** The texts of grpc-js and Node for a connection that the server has closed before it sent anything. */
const closedEarly = /^Failed to connect \(|socket disconnected before secure TLS connection was established/;

/** Adds a remedy to the reason of a failed connection, if it concerns TLS. */
export function withTlsAdvice(reason: string, isSecure: boolean): string {
  const found = closedEarly.test(reason)
    ? adviceOnEarlyClose(isSecure)
    : advice.find(([text]) => text.test(reason))?.[1];
  return found === undefined
    ? reason
    : `${found} (${reason.replace(/^.*:SSL routines:[^:]*:([^:]*):.*$/s, "$1").trim()})`;
}

const adviceOnEarlyClose = (isSecure: boolean): string =>
  isSecure
    ? "the server closed the connection, and its log says why: perhaps it does not speak TLS (then use http://), or does not accept this client's certificate"
    : "the server closed the connection: if it speaks TLS, use https://; if not, it may have as many connections as it takes";

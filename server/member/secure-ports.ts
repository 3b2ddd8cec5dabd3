// TLS of a member's ports, and of its connections to other members.

import type { Socket } from "node:net";
import { join } from "node:path";
import { isSecureUrl, type MemberConfig, type TlsSettings } from "../config/index.js";
import { type MemberUrl, setCertificateName } from "../base/index.js";
import type { OnConnection, SecureConnection } from "../net/index.js";
import { openCertificates, type PortCertificates, TlsAcceptor, TlsDialer } from "../tls/index.js";
import type { MemberEnvironment } from "./parts.js";

/** The URLs of a kind of port, and its TLS settings. */
interface PortKind {
  readonly port: "client" | "peer";
  readonly urls: readonly MemberUrl[];
  readonly settings: TlsSettings;
  readonly maxHandshakes?: number;
}

/** TLS for URLs with https. */
export class SecurePorts {
  private constructor(
    private readonly namesUsers: boolean,
    private readonly client: TlsAcceptor | undefined,
    private readonly peer: TlsAcceptor | undefined,
    /** Connects to members with https URLs. */
    readonly dialer: TlsDialer,
  ) {}

  /**
   * Reads the certificates, and generates those that are configured to be generated.
   *
   * @param maxPeerHandshakes the maximum number of handshakes on the peer ports at a time
   * @throws StartError if a file cannot be used
   */
  static async open(
    config: MemberConfig,
    environment: MemberEnvironment,
    maxPeerHandshakes: number,
  ): Promise<SecurePorts> {
    const { client, peer, warnings } = config.security.tls;
    for (const warning of warnings) environment.logger.warn(warning);
    const { listenClient, listenPeer, listenMetrics } = config.urls;
    const clientUrls = [...listenClient, ...listenMetrics];
    const clientPort = client && ({ port: "client", urls: clientUrls, settings: client } as const);
    const peerPort =
      peer && ({ port: "peer", urls: listenPeer, settings: peer, maxHandshakes: maxPeerHandshakes } as const);
    const clientCertificates = clientPort && (await openFor(clientPort, config, environment));
    const peerCertificates = peerPort && (await openFor(peerPort, config, environment));
    return new SecurePorts(
      client?.namesUser === true,
      clientPort && clientCertificates && acceptorOf(clientPort, clientCertificates, environment),
      peerPort && peerCertificates && acceptorOf(peerPort, peerCertificates, environment),
      new TlsDialer(peer && peerCertificates && { settings: peer, certificates: peerCertificates }),
    );
  }

  /** Returns the handshake of a client or metrics URL; undefined: the URL has no TLS. */
  ofClient(url: MemberUrl): SecureConnection | undefined {
    if (!isSecureUrl(url)) return undefined;
    return (raw, onSecure) => {
      if (this.client === undefined) raw.destroy();
      else
        this.client.secure(raw, (socket, commonName) => {
          if (this.namesUsers && commonName !== undefined) setCertificateName(socket, commonName);
          onSecure(socket);
        });
    };
  }

  /** Returns the handler of connections on the peer URLs: passes them to `accept`, those with TLS after the handshake. */
  takePeers(accept: (socket: Socket) => void): OnConnection {
    return (socket, url) => {
      if (!isSecureUrl(url)) accept(socket);
      else if (this.peer === undefined) socket.destroy();
      else this.peer.secure(socket, accept);
    };
  }

  /** Ends the handshakes in progress of clients. */
  closeClients(): void {
    this.client?.close();
  }

  /** Ends all handshakes in progress. */
  close(): void {
    this.client?.close();
    this.peer?.close();
  }
}

const openFor = async (
  { port, urls, settings }: PortKind,
  { member: { storage, dataDir } }: MemberConfig,
  { logger }: MemberEnvironment,
): Promise<PortCertificates> => {
  const directory = storage === "memory" ? undefined : join(dataDir, "fixtures", port);
  const certificates = await openCertificates(settings, { directory, urls }, logger);
  if (urls.some(isSecureUrl)) logger.info(`starting with ${port} TLS`, describe(settings));
  return certificates;
};

const describe = ({ certificate, rules, limits }: TlsSettings): Record<string, unknown> => ({
  cert: "cert" in certificate ? certificate.cert : "made by this member",
  "trusted-ca": rules.trustedCa,
  "client-cert-auth": rules.isRequired,
  "crl-file": rules.revoked,
  "tls-min-version": limits.minVersion,
});

const acceptorOf = (
  { port, settings, maxHandshakes }: PortKind,
  certificates: PortCertificates,
  { clock, logger }: MemberEnvironment,
): TlsAcceptor => {
  const options = { port, settings, certificates, clock, logger };
  return new TlsAcceptor(maxHandshakes === undefined ? options : { ...options, maxHandshakes });
};

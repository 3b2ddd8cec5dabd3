import type { Socket } from "node:net";
import { createServer, type SecureContextOptions, type Server, type TLSSocket } from "node:tls";
import type { Clock } from "../../platform/index.js";
import { type LogFields, type Logger, refusalCounter } from "../base/index.js";
import type { TlsSettings } from "../config/index.js";
import { commonNameOf, hostReason, nameReason, revokedReason } from "./certificate-rules.js";
import type { PortCertificates } from "./port-certificates.js";
import { handshakeFailure } from "./tls-errors.js";

/** The time limit of a handshake, as in etcd, in milliseconds. */
const handshakeMs = 10_000;
/** The default for the maximum number of handshakes in progress; one more connection is closed at once. */
const defaultMaxHandshakes = 1_000;
/** The maximum number of reasons that are logged separately; all others share one line in ten seconds. */
const maxLoggedReasons = 16;

/** Settings of an acceptor. */
export interface TlsAcceptorOptions {
  /** The kind of port, for the log. */
  readonly port: "client" | "peer";
  readonly settings: TlsSettings;
  readonly certificates: PortCertificates;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The maximum number of handshakes in progress; one more connection is closed at once. */
  readonly maxHandshakes?: number;
}

/** A handshake in progress. */
interface Handshake {
  readonly raw: Socket;
  /** Recorded at the start, as a socket has no address after a connection error. */
  readonly address: string;
  readonly stopTimer: () => void;
  readonly onSecure: (socket: TLSSocket, commonName: string | undefined) => void;
}

/**
 * Performs the server's side of handshakes on accepted connections, with the certificates, authorities and revocations in the
 * files at that moment.
 */
export class TlsAcceptor {
  /**
   * A server that does not listen. Each handshake has an object that inherits from it, which identifies the handshake in
   * events.
   */
  private readonly server: Server;
  private readonly handshakes = new Map<Server, Handshake>();
  private applied: SecureContextOptions;
  private readonly counters = new Map<string, () => void>();
  /** The last counted refusal. */
  private last: LogFields = {};
  private isClosed = false;

  constructor(private readonly options: TlsAcceptorOptions) {
    const { certificates, settings } = options;
    this.applied = certificates.server();
    this.server = createServer({
      ...this.applied,
      // A browser offers both protocols and gets HTTP/1.1, for the pages; gRPC clients offer HTTP/2 only.
      ...(options.port === "client" ? { ALPNProtocols: ["http/1.1", "h2"] } : {}),
      requestCert: settings.rules.isRequired,
      rejectUnauthorized: settings.rules.isRequired,
      handshakeTimeout: handshakeMs,
    });
    const { handshakes } = this;
    const take = (server: Server): Handshake | undefined => {
      const handshake = handshakes.get(server);
      handshakes.delete(server);
      return handshake;
    };
    const onSecure = (server: Server, socket: TLSSocket): void => {
      const handshake = take(server);
      if (handshake === undefined) socket.destroy();
      else void this.admit(handshake, socket);
    };
    const onError = (server: Server, error: Error, socket: TLSSocket): void => {
      const handshake = take(server);
      if (handshake === undefined) return; // ended by `close` or by its time limit
      handshake.stopTimer();
      this.refuse(socket, handshake.address, handshakeFailure(error, codeOf(socket)));
    };
    this.server.on("secureConnection", function (this: Server, socket) {
      onSecure(this, socket);
    });
    this.server.on("tlsClientError", function (this: Server, error, socket) {
      onError(this, error, socket);
    });
  }

  /**
   * Performs the handshake on a connection. If it fails, the connection is closed, and the reason logged.
   *
   * @param onSecure called after a handshake with a valid certificate of the client, if one is required, and its common name
   */
  secure(raw: Socket, onSecure: Handshake["onSecure"]): void {
    const { clock, maxHandshakes = defaultMaxHandshakes } = this.options;
    raw.on("error", () => undefined); // the event "close" follows
    const address = addressOf(raw);
    if (this.handshakes.size >= maxHandshakes) {
      this.log("too many handshakes are under way", address);
      raw.destroy();
      return;
    }
    this.useCurrentFiles();
    const own = Object.create(this.server) as Server;
    const stopTimer = clock.after(handshakeMs, () => {
      this.handshakes.delete(own);
      this.refuse(raw, address, `tls: the handshake took more than ${handshakeMs / 1_000} s`);
    });
    this.handshakes.set(own, { raw, address, stopTimer, onSecure });
    raw.once("close", () => {
      stopTimer();
      clock.soon(() => this.handshakes.delete(own)); // later, when the TLS error is known, which has the reason
    });
    own.emit("connection", raw);
  }

  /** Ends the handshakes in progress. */
  close(): void {
    this.isClosed = true;
    for (const { raw } of this.handshakes.values()) raw.destroy();
  }

  private useCurrentFiles(): void {
    const current = this.options.certificates.server();
    if (current === this.applied) return;
    this.applied = current;
    this.server.setSecureContext(current);
  }

  private async admit({ raw, address, stopTimer, onSecure }: Handshake, socket: TLSSocket): Promise<void> {
    socket.on("error", () => undefined); // the event "close" follows
    const reason = await this.reasonToRefuse(socket);
    stopTimer();
    if (socket.destroyed || raw.destroyed) return;
    if (reason !== undefined) {
      this.refuse(socket, address, reason);
      return;
    }
    const certificate = socket.authorized ? socket.getPeerX509Certificate() : undefined;
    onSecure(socket, certificate && commonNameOf(certificate));
  }

  private async reasonToRefuse(socket: TLSSocket): Promise<string | undefined> {
    const { rules } = this.options.settings;
    const certificate = socket.getPeerX509Certificate();
    if (certificate === undefined || !rules.isRequired) return undefined;
    const reason =
      revokedReason(certificate, this.options.certificates.listRevoked()) ?? nameReason(certificate, rules);
    return reason ?? (rules.checksClientHost ? hostReason(certificate, socket.remoteAddress) : undefined);
  }

  private refuse(socket: Socket, address: string, reason: string): void {
    this.log(reason, address);
    socket.destroy();
  }

  /** Logs a refusal; for each reason, the first one at once, then one line in ten seconds, with their number. */
  private log(reason: string, address: string): void {
    if (this.isClosed) return;
    this.last = { "remote-addr": address, error: reason };
    const kind = this.counters.has(reason) || this.counters.size < maxLoggedReasons ? reason : "other";
    let count = this.counters.get(kind);
    if (count === undefined) {
      const { clock, logger, port } = this.options;
      count = refusalCounter(clock, (count) =>
        logger.warn(`rejected connection on ${port} endpoint`, { ...this.last, count }),
      );
      this.counters.set(kind, count);
    }
    count();
  }
}

const addressOf = ({ remoteAddress, remotePort }: Socket): string =>
  remoteAddress === undefined ? "" : `${remoteAddress}:${remotePort ?? 0}`;

/** Returns OpenSSL's reason to refuse the client's certificate. Node's types declare it as an error; it is a text. */
const codeOf = (socket: TLSSocket): string | undefined => {
  const code: unknown = socket.authorizationError;
  return typeof code === "string" ? code : undefined;
};

import type { Socket } from "node:net";
import { createServer, type SecureContextOptions, type Server, type TLSSocket } from "node:tls";
import type { Clock } from "../../platform/index.js";
import { type LogFields, type Logger, refusalCounter } from "../base/index.js";
import type { TlsSettings } from "../config/index.js";
import { commonNameOf, hostReason, nameReason, revokedReason } from "./certificate-rules.js";
import type { PortCertificates } from "./port-certificates.js";
import { handshakeFailure } from "./tls-errors.js";

/** The time that a handshake may take, as in etcd, in milliseconds. */
const handshakeMs = 10_000;
/** Handshakes under way at a time, unless the port has another bound; one more connection is closed at once. */
const defaultMaxHandshakes = 1_000;
/** Kinds of failures that are logged apart; all others share one line in ten seconds. */
const maxLoggedReasons = 16;

/** Settings of an acceptor. */
export interface TlsAcceptorOptions {
  /** Names the port in the log. */
  readonly port: "client" | "peer";
  readonly settings: TlsSettings;
  readonly certificates: PortCertificates;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Handshakes under way at a time; one more connection is closed at once. */
  readonly maxHandshakes?: number;
}

/** A connection whose handshake is under way. */
interface Handshake {
  readonly raw: Socket;
  /** Noted before, as a connection that the other side has broken has none. */
  readonly address: string;
  readonly stopTimer: () => void;
  readonly onSecure: (socket: TLSSocket, commonName: string | undefined) => void;
}

/**
 * Does the server's side of handshakes on connections that somebody else accepted. Certificates, authorities and revocations are
 * those of the files at that moment.
 */
export class TlsAcceptor {
  /** Never listens. Each handshake has an object of its own that inherits from this one: its events tell which handshake they are of. */
  private readonly server: Server;
  private readonly handshakes = new Map<Server, Handshake>();
  private applied: SecureContextOptions;
  private readonly counters = new Map<string, () => void>();
  /** The refusal that was counted last. */
  private last: LogFields = {};
  private isClosed = false;

  constructor(private readonly options: TlsAcceptorOptions) {
    const { certificates, settings } = options;
    this.applied = certificates.server();
    this.server = createServer({
      ...this.applied,
      // A client that speaks both wants a page, which is HTTP/1.1 here; those of gRPC offer HTTP/2 alone.
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
      if (handshake === undefined) return; // it was ended here
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
   * Does the handshake on a connection. A connection that fails is closed, and the reason logged.
   *
   * @param onSecure called once the other side has proved what it has to prove; with the common name of its verified certificate
   */
  secure(raw: Socket, onSecure: Handshake["onSecure"]): void {
    const { clock, maxHandshakes = defaultMaxHandshakes } = this.options;
    raw.on("error", () => undefined); // "close" follows
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
      clock.soon(() => this.handshakes.delete(own)); // once the end of its TLS is known, which says more
    });
    own.emit("connection", raw);
  }

  /** Ends the handshakes under way. */
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
    socket.on("error", () => undefined); // "close" follows
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

  /** Logs a refusal; of each reason the first at once, then one in ten seconds, with their number. */
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

/** Returns OpenSSL's reason to refuse the client's certificate. Node's types call it an error; it is text. */
const codeOf = (socket: TLSSocket): string | undefined => {
  const code: unknown = socket.authorizationError;
  return typeof code === "string" ? code : undefined;
};

import { connect, type TLSSocket } from "node:tls";
import type { Address } from "../base/index.js";
import type { TlsSettings } from "../config/index.js";
import { nameReason } from "./certificate-rules.js";
import type { PortCertificates } from "./port-certificates.js";

/** A certificate that is valid and still not one of those that are allowed. */
class CertificateRefusedError extends Error {
  override readonly name = "CertificateRefusedError";
  readonly code = "ERR_TLS_CERTIFICATE_REFUSED";
}

/** The certificates of a member, and its rules for those of others. */
export interface DialledTls {
  readonly settings: TlsSettings;
  readonly certificates: PortCertificates;
}

/**
 * Connects to other members over TLS. Their certificates must be valid for the host of the URL, or for a name that is given in its
 * place; members that make their certificates themselves check none.
 */
export class TlsDialer {
  /**
   * @param own undefined: this member presents no certificate, and trusts the authorities that come with Node
   * @param name for which certificates must be valid; undefined: the host of the address
   */
  constructor(
    private readonly own: DialledTls | undefined,
    private readonly name?: string,
  ) {}

  /** Returns a dialer whose certificates must be valid for a name, whatever the address. */
  expectName(name: string): TlsDialer {
    return new TlsDialer(this.own, name);
  }

  /** Begins to connect. `secureConnect` follows, or an error and `close`. */
  connect(address: Address): TLSSocket {
    const { settings, certificates } = this.own ?? {};
    const isChecked = settings === undefined || "cert" in settings.certificate;
    const socket = connect({
      ...(address.kind === "unix" ? { path: address.path, servername: "localhost" } : address),
      ...(this.name === undefined ? {} : { servername: this.name }),
      ...(certificates === undefined ? {} : { secureContext: certificates.dial() }),
      rejectUnauthorized: isChecked,
    });
    socket.setNoDelay(true);
    socket.once("secureConnect", () => {
      const certificate = socket.getPeerX509Certificate();
      if (settings === undefined || certificate === undefined || !isChecked) return;
      const reason = nameReason(certificate, settings.rules);
      if (reason !== undefined) socket.destroy(new CertificateRefusedError(reason));
    });
    return socket;
  }
}

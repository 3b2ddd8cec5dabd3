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
 * Connects to other members over TLS. Their certificates must be valid for the host of the URL; members that make their certificates
 * themselves check none.
 */
export class TlsDialer {
  /** @param own undefined: this member presents no certificate, and trusts the authorities that come with Node */
  constructor(private readonly own: DialledTls | undefined) {}

  /** Begins to connect. `secureConnect` follows, or an error and `close`. */
  connect(address: Address): TLSSocket {
    const { settings, certificates } = this.own ?? {};
    const isChecked = settings === undefined || "cert" in settings.certificate;
    const socket = connect({
      ...(address.kind === "unix" ? { path: address.path, servername: "localhost" } : address),
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

import { connect, type TLSSocket } from "node:tls";
import type { Address } from "../base/index.js";
import type { TlsSettings } from "../config/index.js";
import { nameReason } from "./certificate-rules.js";
import type { PortCertificates } from "./port-certificates.js";

/** The error for a valid certificate that the rules do not allow. */
class CertificateRefusedError extends Error {
  override readonly name = "CertificateRefusedError";
  readonly code = "ERR_TLS_CERTIFICATE_REFUSED";
}

/** The certificates of a member, and its rules for those of peers. */
export interface DialledTls {
  readonly settings: TlsSettings;
  readonly certificates: PortCertificates;
}

/**
 * Connects to peers over TLS. Their certificates must be valid for the host of the URL, or for a given name; members with
 * generated certificates verify none.
 */
export class TlsDialer {
  /**
   * @param own undefined: this member presents no certificate, and trusts Node's authorities
   * @param name the name for which certificates must be valid; undefined: the host of the address
   */
  constructor(
    private readonly own: DialledTls | undefined,
    private readonly name?: string,
  ) {}

  /** Returns a dialer that requires certificates to be valid for a name, at any address. */
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

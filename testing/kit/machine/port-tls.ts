// TLS of the client ports of a test server or a test cluster.

import { createLogger } from "../../../server/base/index.js";
import { configFromFlags, defaultFlags, type ServerFlags, type TlsSettings } from "../../../server/config/index.js";
import { openCertificates, type PortCertificates } from "../../../server/tls/index.js";

/** The certificate for the ports of all members. */
export interface PortTls {
  /** The self-signed certificate as PEM, which clients trust as an authority. */
  readonly ca: string;
  readonly certificates: PortCertificates;
  readonly settings: TlsSettings;
}

const silent = createLogger({ level: "fatal", write: () => undefined, timestamp: () => "" });

/** Makes a certificate for 127.0.0.1 and localhost. The flags may set TLS versions and cipher suites. */
export const makePortTls = async (flags: Partial<ServerFlags>): Promise<PortTls> => {
  const text = "https://127.0.0.1:0,https://localhost:0";
  const { security, urls } = configFromFlags({
    ...defaultFlags,
    ...flags,
    autoTls: "true",
    listenClientUrls: text,
    advertiseClientUrls: text,
  });
  const settings = security.tls.client;
  if (settings === undefined) throw new Error("TLS settings are missing for URLs with https");
  const certificates = await openCertificates(settings, { directory: undefined, urls: urls.listenClient }, silent);
  return { ca: String(certificates.server().cert), certificates, settings };
};

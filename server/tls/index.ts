// TLS of a member's ports and of its connections to others: certificates, handshakes, conditions on the other side.

export { makeCertificateFiles, openCertificates, type PortCertificates } from "./port-certificates.js";
export { TlsAcceptor, type TlsAcceptorOptions } from "./tls-acceptor.js";
export { TlsDialer } from "./tls-dialer.js";
export { handshakeFailure, isTlsError } from "./tls-errors.js";

// TLS of a member's ports and of its connections to peers: certificates, handshakes, conditions on certificates.

export { makeCertificateFiles, openCertificates, type PortCertificates } from "./port-certificates.js";
export { TlsAcceptor, type TlsAcceptorOptions } from "./tls-acceptor.js";
export { TlsDialer } from "./tls-dialer.js";
export { handshakeFailure, isTlsError } from "./tls-errors.js";

// The TLS settings of a member's ports, from its flags.

import { formatAddress, type MemberUrl, StartError } from "../base/index.js";
import { readNumber, readSwitch } from "./read-flag.js";
import { isSecureUrl, type TlsFlags, tlsLimits, type TlsSettings, tlsSettings } from "./tls-settings.js";

/** The flags of `minietcd` for TLS, as text. */
export interface TlsServerFlags {
  readonly certFile: string;
  readonly keyFile: string;
  readonly trustedCaFile: string;
  readonly clientCertAuth: string;
  readonly clientCrlFile: string;
  readonly clientCertAllowedCn: string;
  readonly clientCertAllowedHostname: string;
  readonly autoTls: string;
  readonly peerCertFile: string;
  readonly peerKeyFile: string;
  readonly peerClientCertFile: string;
  readonly peerClientKeyFile: string;
  readonly peerTrustedCaFile: string;
  readonly peerClientCertAuth: string;
  readonly peerCrlFile: string;
  readonly peerCertAllowedCn: string;
  readonly peerCertAllowedHostname: string;
  readonly peerSkipClientSanVerification: string;
  readonly peerAutoTls: string;
  readonly selfSignedCertValidity: string;
  readonly cipherSuites: string;
  readonly tlsMinVersion: string;
  readonly tlsMaxVersion: string;
}

/** etcd's defaults: no TLS. */
export const defaultTlsFlags: TlsServerFlags = {
  certFile: "",
  keyFile: "",
  trustedCaFile: "",
  clientCertAuth: "false",
  clientCrlFile: "",
  clientCertAllowedCn: "",
  clientCertAllowedHostname: "",
  autoTls: "false",
  peerCertFile: "",
  peerKeyFile: "",
  peerClientCertFile: "",
  peerClientKeyFile: "",
  peerTrustedCaFile: "",
  peerClientCertAuth: "false",
  peerCrlFile: "",
  peerCertAllowedCn: "",
  peerCertAllowedHostname: "",
  peerSkipClientSanVerification: "false",
  peerAutoTls: "false",
  selfSignedCertValidity: "1",
  cipherSuites: "",
  tlsMinVersion: "TLS1.2",
  tlsMaxVersion: "",
};

/** The TLS settings of a member. */
export interface MemberTls {
  /** TLS of the client URLs with https; undefined: there are none. */
  readonly client: TlsSettings | undefined;
  /** TLS of the peer URLs with https, of this member and its peers; undefined: there are no flags for it. */
  readonly peer: TlsSettings | undefined;
  /** Warnings about flags with less effect than they suggest. */
  readonly warnings: readonly string[];
}

/** The URLs that a member listens on. */
interface ListenUrls {
  readonly listenClientUrls: readonly MemberUrl[];
  readonly listenPeerUrls: readonly MemberUrl[];
  /** The metrics URLs, which use the TLS of the client URLs, as in etcd. */
  readonly listenMetricsUrls: readonly MemberUrl[];
}

/**
 * Reads the flags for TLS.
 *
 * @throws StartError for contradictory flags, and for an https URL without a certificate; both with etcd's texts
 */
export const readTls = (flags: TlsServerFlags, listen: ListenUrls): MemberTls => {
  const { listenClientUrls, listenPeerUrls, listenMetricsUrls } = listen;
  const limits = tlsLimits(flags.tlsMinVersion, flags.tlsMaxVersion, namesIn(flags.cipherSuites));
  const validYears = readNumber("self-signed-cert-validity", "uint", flags.selfSignedCertValidity);
  const [clientFlags, peerFlags] = [clientFlagsOf(flags), peerFlagsOf(flags)];
  const secureClientUrl = listenClientUrls.find(isSecureUrl);
  const secureMetricsUrl = listenMetricsUrls.find(isSecureUrl);
  const client = (secureClientUrl ?? secureMetricsUrl) && tlsSettings(clientFlags, limits, validYears);
  if (secureClientUrl !== undefined && client === undefined)
    throw new StartError(
      `TLS key/cert (--cert-file, --key-file) must be provided for client url ${secureClientUrl.text} with HTTPS scheme`,
    );
  if (secureMetricsUrl !== undefined && client === undefined)
    throw new StartError(
      `cannot listen on TLS for ${formatAddress(secureMetricsUrl.address)}: KeyFile and CertFile are not presented ` +
        "(--cert-file, --key-file, or --auto-tls)",
    );
  const securePeerUrl = listenPeerUrls.find(isSecureUrl);
  const peer = tlsSettings(peerFlags, limits, validYears);
  if (securePeerUrl !== undefined && peer === undefined)
    throw new StartError(
      `cannot listen on TLS for ${formatAddress(securePeerUrl.address)}: KeyFile and CertFile are not presented ` +
        "(--peer-cert-file, --peer-key-file, or --peer-auto-tls)",
    );
  const warnings = [
    ...warningsOf("client", clientFlags, listenClientUrls),
    ...warningsOf("peer", peerFlags, listenPeerUrls),
  ];
  return { client, peer, warnings };
};

const clientFlagsOf = (flags: TlsServerFlags): TlsFlags => ({
  certFile: flags.certFile,
  keyFile: flags.keyFile,
  clientCertFile: "",
  clientKeyFile: "",
  trustedCaFile: flags.trustedCaFile,
  crlFile: flags.clientCrlFile,
  clientCertAuth: readSwitch("client-cert-auth", flags.clientCertAuth),
  autoTls: readSwitch("auto-tls", flags.autoTls),
  allowedCommonNames: namesIn(flags.clientCertAllowedCn),
  allowedHostnames: namesIn(flags.clientCertAllowedHostname),
  checksClientHost: false,
});

const peerFlagsOf = (flags: TlsServerFlags): TlsFlags => ({
  certFile: flags.peerCertFile,
  keyFile: flags.peerKeyFile,
  clientCertFile: flags.peerClientCertFile,
  clientKeyFile: flags.peerClientKeyFile,
  trustedCaFile: flags.peerTrustedCaFile,
  crlFile: flags.peerCrlFile,
  clientCertAuth: readSwitch("peer-client-cert-auth", flags.peerClientCertAuth),
  autoTls: readSwitch("peer-auto-tls", flags.peerAutoTls),
  allowedCommonNames: namesIn(flags.peerCertAllowedCn),
  allowedHostnames: namesIn(flags.peerCertAllowedHostname),
  checksClientHost: !readSwitch("peer-skip-client-san-verification", flags.peerSkipClientSanVerification),
});

const namesIn = (text: string): string[] =>
  text
    .split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "");

const warningsOf = (kind: "client" | "peer", flags: TlsFlags, urls: readonly MemberUrl[]): string[] => {
  const hasFiles = flags.certFile !== "" || flags.keyFile !== "";
  const open = urls.filter((url) => !isSecureUrl(url));
  const prefix = kind === "client" ? "--" : "--peer-";
  return [
    ...(hasFiles && flags.autoTls ? [`ignoring ${kind} auto TLS since certs given`] : []),
    ...open.flatMap(({ text, scheme }) => [
      ...(hasFiles || flags.autoTls
        ? [`scheme is ${scheme} while key and cert files are present; ignoring key and cert files for ${text}`]
        : []),
      ...(flags.clientCertAuth
        ? [`scheme is ${scheme} while ${prefix}client-cert-auth is enabled; ignoring client cert auth for ${text}`]
        : []),
    ]),
  ];
};

// The TLS settings of one kind of port, from its flags. Rules and error texts are etcd's.

import { getCiphers } from "node:tls";
import { type MemberUrl, StartError } from "../base/index.js";
import { cipherNames, tls13Suites } from "./cipher-suites.js";

/** The files of a certificate, and of its private key. */
export interface CertificateFiles {
  readonly cert: string;
  readonly key: string;
}

/** Bounds on the handshakes of all ports. */
export interface TlsLimits {
  readonly minVersion: "TLSv1.2" | "TLSv1.3";
  /** Undefined: the newest version. */
  readonly maxVersion: "TLSv1.2" | "TLSv1.3" | undefined;
  /** Names of OpenSSL, separated by colons; undefined: Node's ciphers, AES-128 first. */
  readonly ciphers: string | undefined;
}

/** Conditions on the certificates of the other side. */
export interface PeerCertificateRules {
  /** The file of trusted certificate authorities; undefined: Node's. */
  readonly trustedCa: string | undefined;
  /** Whether a client has to present a certificate. */
  readonly isRequired: boolean;
  /** The file of revoked certificates. */
  readonly revoked: string | undefined;
  /** Allowed common names of the certificate; empty: any. */
  readonly commonNames: readonly string[];
  /** Names and addresses of which the certificate must be valid for one; empty: any. */
  readonly hostnames: readonly string[];
  /** Whether a client's certificate with host names must be valid for the client's host. */
  readonly checksClientHost: boolean;
}

/** The TLS settings of the client ports or of the peer ports. */
export interface TlsSettings {
  /** The port's own certificate; `validYears`: a self-signed one is generated. */
  readonly certificate: CertificateFiles | { readonly validYears: number };
  /** The certificate that this member presents as a client of others; undefined: the port's own. */
  readonly dialCertificate: CertificateFiles | undefined;
  readonly rules: PeerCertificateRules;
  /** Whether the common name of a client's certificate names the user. */
  readonly namesUser: boolean;
  readonly limits: TlsLimits;
}

/** The flags for one kind of port, by names without their prefix. */
export interface TlsFlags {
  readonly certFile: string;
  readonly keyFile: string;
  readonly clientCertFile: string;
  readonly clientKeyFile: string;
  readonly trustedCaFile: string;
  readonly crlFile: string;
  readonly clientCertAuth: boolean;
  readonly autoTls: boolean;
  readonly allowedCommonNames: readonly string[];
  readonly allowedHostnames: readonly string[];
  readonly checksClientHost: boolean;
}

/**
 * Reads the TLS settings of one kind of port.
 *
 * @returns undefined if there is neither a certificate nor an automatic one
 * @throws StartError for contradictory flags
 */
export const tlsSettings = (flags: TlsFlags, limits: TlsLimits, validYears: number): TlsSettings | undefined => {
  const { certFile: cert, keyFile: key, clientCertFile, clientKeyFile } = flags;
  const isGiven = cert !== "" || key !== "";
  if (!isGiven && !flags.autoTls) return undefined;
  if (isGiven && (cert === "" || key === ""))
    throw new StartError(`KeyFile and CertFile must both be present[key: ${key}, cert: ${cert}]`);
  if ((clientCertFile === "") !== (clientKeyFile === ""))
    throw new StartError(
      `ClientKeyFile and ClientCertFile must both be present or both absent: key: ${clientKeyFile}, cert: ${clientCertFile}]`,
    );
  if (!isGiven && validYears === 0)
    throw new StartError("selfSignedCertValidity is invalid,it should be greater than 0");
  return {
    certificate: isGiven ? { cert, key } : { validYears },
    dialCertificate: clientCertFile === "" ? undefined : { cert: clientCertFile, key: clientKeyFile },
    rules: isGiven ? rulesOf(flags) : noRules,
    namesUser: isGiven && flags.clientCertAuth,
    limits,
  };
};

/** Self-signed certificates of members are not verified, as no authority has signed them. */
const noRules: PeerCertificateRules = {
  trustedCa: undefined,
  isRequired: false,
  revoked: undefined,
  commonNames: [],
  hostnames: [],
  checksClientHost: false,
};

const rulesOf = (flags: TlsFlags): PeerCertificateRules => {
  const { trustedCaFile, crlFile, allowedCommonNames: commonNames, allowedHostnames: hostnames } = flags;
  if (commonNames.length > 0 && hostnames.length > 0)
    throw new StartError(
      "AllowedCNs and AllowedHostnames are mutually exclusive " +
        `(cns=${quoteNames(commonNames)}, hostnames=${quoteNames(hostnames)})`,
    );
  return {
    trustedCa: undefinedIfEmpty(trustedCaFile),
    isRequired: flags.clientCertAuth || trustedCaFile !== "",
    revoked: undefinedIfEmpty(crlFile),
    commonNames,
    hostnames,
    checksClientHost: flags.checksClientHost,
  };
};

const undefinedIfEmpty = (text: string): string | undefined => (text === "" ? undefined : text);

const quoteNames = (names: readonly string[]): string => `[${names.map((name) => JSON.stringify(name)).join(" ")}]`;

const versions = { "TLS1.2": "TLSv1.2", "TLS1.3": "TLSv1.3" } as const;

/**
 * Reads `--tls-min-version`, `--tls-max-version` and `--cipher-suites`.
 *
 * @throws StartError for an unknown suite, and for contradictory bounds
 */
export const tlsLimits = (min: string, max: string, suites: readonly string[]): TlsLimits => {
  const minVersion = versionOf(min) ?? "TLSv1.2";
  const maxVersion = versionOf(max);
  if (maxVersion !== undefined && minVersion > maxVersion)
    throw new StartError(`min version (${min}) is greater than max version (${max})`);
  if (minVersion === "TLSv1.3" && suites.length > 0)
    throw new StartError("cipher suites cannot be configured when only TLS1.3 is enabled");
  if (suites.length === 0) return { minVersion, maxVersion, ciphers: undefined };
  const chosen = suites.map(cipherOf).filter((name) => !tls13Suites.includes(name));
  if (chosen.length === 0 && maxVersion === "TLSv1.2")
    throw new StartError("--cipher-suites names none of TLS1.2, and --tls-max-version is TLS1.2");
  return {
    // The suites of TLS 1.3 cannot be configured, as in Go: all are enabled.
    minVersion: chosen.length === 0 ? "TLSv1.3" : minVersion,
    maxVersion,
    ciphers: [...tls13Suites, ...chosen].join(":"),
  };
};

const versionOf = (text: string): "TLSv1.2" | "TLSv1.3" | undefined => {
  if (text === "") return undefined;
  if (text === "TLS1.2" || text === "TLS1.3") return versions[text];
  throw new StartError(`unexpected TLS version "${text}" (must be one of: TLS1.2, TLS1.3)`);
};

const cipherOf = (suite: string): string => {
  const name = cipherNames.get(suite);
  if (name === undefined) throw new StartError(`unexpected TLS cipher suite ${JSON.stringify(suite)}`);
  if (!getCiphers().includes(name.toLowerCase()))
    throw new StartError(`cannot use TLS cipher suite ${JSON.stringify(suite)}: this Node.js does not have it`);
  return name;
};

/** Whether a URL uses TLS. */
export const isSecureUrl = ({ scheme }: Pick<MemberUrl, "scheme">): boolean => scheme === "https" || scheme === "unixs";

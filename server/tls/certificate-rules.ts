// Conditions on a certificate, checked after its chain has been verified. Each function returns the reason to refuse it.

import type { X509Certificate } from "node:crypto";
import { lookup, reverse } from "node:dns/promises";
import { isIP } from "node:net";
import { isError } from "../../platform/index.js";
import type { PeerCertificateRules } from "../config/index.js";

/**
 * Converts a serial number to hex digits in lower case, without leading zeros, so that numbers of different sources can be
 * compared.
 */
export const canonicalNumber = (hex: string): string => hex.toLowerCase().replace(/^0+(?=.)/, "");

/** The maximum number of certificates of a chain that are checked. */
const maxChainLength = 16;

/** Returns the reason to refuse a chain with a revoked certificate. */
export const revokedReason = (leaf: X509Certificate, revoked: ReadonlySet<string>): string | undefined => {
  let certificate: X509Certificate | undefined = leaf;
  for (let n = 0; certificate !== undefined && n < maxChainLength; n++) {
    const serial = canonicalNumber(certificate.serialNumber);
    if (revoked.has(serial)) return `transport: certificate serial ${serial} revoked`;
    certificate = certificate.issuerCertificate;
  }
  return undefined;
};

/** Returns the reason to refuse a certificate without an allowed common name or host. */
export const nameReason = (
  certificate: X509Certificate,
  { commonNames, hostnames }: Pick<PeerCertificateRules, "commonNames" | "hostnames">,
): string | undefined => {
  if (commonNames.length > 0 && !commonNames.includes(commonNameOf(certificate) ?? ""))
    return `client certificate authentication failed: its common name is not one of ${commonNames.join(", ")}`;
  if (hostnames.length > 0 && !hostnames.some((host) => isValidFor(certificate, host)))
    return `client certificate authentication failed: it is valid for none of ${hostnames.join(", ")}`;
  return undefined;
};

/**
 * Returns the common name of a certificate's subject, the last of several; undefined if it has none. `subject` of an
 * X509Certificate is a text with escapes, in which a part may have several names; the legacy form has each name separately.
 */
export const commonNameOf = (certificate: Pick<X509Certificate, "toLegacyObject">): string | undefined => {
  const { subject } = certificate.toLegacyObject() as {
    readonly subject?: { readonly CN?: string | readonly string[] };
  };
  const names = subject?.CN;
  return typeof names === "object" ? names.at(-1) : names;
};

/** Whether a certificate is valid for a host by its alternative names; its common name is ignored, as in Go. */
const isValidFor = (certificate: X509Certificate, host: string): boolean =>
  isIP(host) === 0
    ? certificate.checkHost(host, { subject: "never" }) !== undefined
    : certificate.checkIP(host) !== undefined;

/** Returns the alternative names of a certificate. */
const alternativeNames = ({
  subjectAltName = "",
}: X509Certificate): { dns: readonly string[]; ip: readonly string[] } => {
  const parts = subjectAltName.split(", ");
  const of = (kind: string): string[] =>
    parts.filter((part) => part.startsWith(kind)).map((part) => part.slice(kind.length));
  return { dns: of("DNS:"), ip: of("IP Address:") };
};

/**
 * Returns the reason to refuse a client whose certificate has host names, but not the client's (etcd: `checkCertSAN`).
 *
 * @param address the client's; undefined: the client is on this machine
 */
export const hostReason = async (
  certificate: X509Certificate,
  address: string | undefined,
): Promise<string | undefined> => {
  const { dns, ip } = alternativeNames(certificate);
  if (address === undefined || dns.length + ip.length === 0) return undefined;
  if (ip.length > 0 && isValidFor(certificate, address)) return undefined;
  if (await isOneOf(address, certificate, dns)) return undefined;
  return `tls: ${JSON.stringify(address)} does not match any of the certificate's hosts: ${[...dns, ...ip].join(", ")}`;
};

const isOneOf = async (address: string, certificate: X509Certificate, names: readonly string[]): Promise<boolean> => {
  if (names.length === 0) return false;
  const known = await recordsOrNone(reverse(address));
  if (known.some((name) => isValidFor(certificate, name))) return true;
  for (const name of names) {
    const addresses = name.startsWith("*") ? [] : await recordsOrNone(lookup(name, { all: true }));
    if (addresses.some((each) => each.address === address)) return true;
  }
  return false;
};

/** Returns no records for a name that cannot be resolved: it does not match. */
const recordsOrNone = async <T>(asked: Promise<T[]>): Promise<T[]> => {
  try {
    return await asked;
  } catch (error) {
    if (isError(error)) return [];
    throw error;
  }
};

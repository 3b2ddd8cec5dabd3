// The certificates of one kind of port: read from files, or generated once and stored.

import { constants, createPrivateKey, X509Certificate } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createSecureContext, DEFAULT_CIPHERS, type SecureContext, type SecureContextOptions } from "node:tls";
import { errorCode, isError } from "../../platform/index.js";
import { type Logger, type MemberUrl, StartError } from "../base/index.js";
import type { CertificateFiles, TlsSettings } from "../config/index.js";
import { ReloadedFiles } from "./reloaded-files.js";
import type { KeyPair } from "./self-signed.js";

/** The current certificates of a kind of port: its own, the trusted and the revoked ones. */
export interface PortCertificates {
  /** Returns the TLS context of handshakes on the port; another object when a file has changed. */
  server(): SecureContextOptions;
  /** Returns the TLS context for connections to peers. */
  dial(): SecureContext;
  /** Returns the serial numbers of revoked certificates. */
  listRevoked(): ReadonlySet<string>;
}

/** The location and the host names of generated certificates. */
export interface SelfSignedPlace {
  /** Undefined: they are held in memory. */
  readonly directory: string | undefined;
  readonly urls: readonly MemberUrl[];
}

/**
 * Opens the certificates, and generates those that are configured to be generated.
 *
 * @throws StartError if a file cannot be used
 */
export const openCertificates = async (
  settings: TlsSettings,
  place: SelfSignedPlace,
  logger: Logger,
): Promise<PortCertificates> => {
  const { certificate, dialCertificate, rules } = settings;
  const own: PairSource =
    "cert" in certificate ? { files: certificate } : await ownPair(place, certificate.validYears, logger);
  const contextOf = (source: PairSource): ReloadedFiles<SecureContextOptions> =>
    new ReloadedFiles(
      [...pathsOf(source), ...(rules.trustedCa === undefined ? [] : [rules.trustedCa])],
      (contents) => {
        const options = contextOptions(settings, source, contents);
        if ("files" in source && contents[0] !== undefined) warnOfExpiry(source.files.cert, contents[0], logger);
        return options;
      },
      logger,
    );
  const server = contextOf(own);
  const dialled = dialCertificate === undefined ? server : contextOf({ files: dialCertificate });
  const revoked = await openRevocations(rules.revoked, logger);
  let context = { options: dialled.get(), context: createSecureContext(dialled.get()) };
  return {
    server: () => server.get(),
    dial: () => {
      const options = dialled.get();
      if (options !== context.options) context = { options, context: createSecureContext(options) };
      return context.context;
    },
    listRevoked: () => revoked?.get() ?? noNumbers,
  };
};

const noNumbers: ReadonlySet<string> = new Set();

/** A certificate with its key: in files, or in memory. */
type PairSource = { readonly files: CertificateFiles } | KeyPair;

const pathsOf = (source: PairSource): string[] => ("files" in source ? [source.files.cert, source.files.key] : []);

const cheapestSuite = "TLS_AES_128_GCM_SHA256";

/** Node's cipher suites; of those of TLS 1.3, AES-128 comes first, as in Go's servers: it takes a quarter less CPU than AES-256. */
const ownCiphers = [cheapestSuite, ...DEFAULT_CIPHERS.split(":").filter((name) => name !== cheapestSuite)].join(":");

/** @throws StartError if OpenSSL cannot use them */
const contextOptions = (
  { limits, rules }: TlsSettings,
  source: PairSource,
  contents: readonly Buffer[],
): SecureContextOptions => {
  const rest = "files" in source ? contents.slice(2) : contents;
  const [cert, key] = "files" in source ? contents : [source.cert, source.key];
  const [ca] = rest;
  const options: SecureContextOptions = {
    cert,
    key,
    minVersion: limits.minVersion,
    ...(limits.maxVersion === undefined ? {} : { maxVersion: limits.maxVersion }),
    ciphers: limits.ciphers ?? ownCiphers,
    ...(ca === undefined ? {} : { ca }),
    // A resumed session would be accepted without a check of its certificate.
    ...(rules.isRequired ? { secureOptions: constants.SSL_OP_NO_TICKET } : {}),
  };
  if (ca !== undefined) checkAuthorities(rules.trustedCa ?? "", ca);
  try {
    createSecureContext(options);
    return options;
  } catch (error) {
    if (!isError(error)) throw error;
    const where = "files" in source ? `${source.files.cert}, ${source.files.key}` : "made by this member";
    throw new StartError(`${wordsOf(error)} (${where})`, { cause: error });
  }
};

const pemCertificate = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;

/** Checks the file: OpenSSL accepts a file without certificates, and then trusts none. @throws StartError */
const checkAuthorities = (path: string, file: Buffer): void => {
  const found = file.toString("latin1").match(pemCertificate) ?? [];
  try {
    for (const certificate of found) new X509Certificate(certificate);
  } catch (error) {
    throw new StartError(`cannot read a certificate in ${path}`, { cause: error });
  }
  if (found.length === 0)
    throw new StartError(`no certificate in ${path}: name a PEM file with the trusted certificates`);
};

/** Returns Go's text for an error of OpenSSL. */
const wordsOf = (error: Error): string => {
  switch (errorCode(error) ?? "") {
    case "ERR_OSSL_X509_KEY_VALUES_MISMATCH":
    case "ERR_OSSL_X509_KEY_TYPE_MISMATCH":
      return "tls: private key does not match public key";
    case "ERR_OSSL_PEM_NO_START_LINE":
      return "tls: failed to find any PEM data in certificate input";
    default:
      return "cannot use the TLS certificate";
  }
};

/** The number of days before the expiry of a certificate from which on there is a warning. */
const warnedDays = 30;

/** Warns of a certificate that has expired or will soon: at the start, and when it is replaced. */
const warnOfExpiry = (path: string, file: Buffer, logger: Logger): void => {
  const { validFrom, validTo } = new X509Certificate(file);
  const now = new Date().getTime();
  const days = (Date.parse(validTo) - now) / (24 * 3_600_000);
  const fields = { path, notBefore: validFrom, notAfter: validTo };
  if (days < 0) logger.warn("the TLS certificate has expired: replace its files (no restart is needed)", fields);
  else if (Date.parse(validFrom) > now) logger.warn("the TLS certificate is not valid yet", fields);
  else if (days < warnedDays)
    logger.warn("the TLS certificate expires soon: replace its files (no restart is needed)", fields);
};

/** Finds the certificate of an earlier start, or generates one. */
const ownPair = async (
  { directory, urls }: SelfSignedPlace,
  validYears: number,
  logger: Logger,
): Promise<PairSource> => {
  const hosts = urls.map(({ address }) => (address.kind === "tcp" ? address.host : "localhost"));
  const make = async (): Promise<KeyPair> => {
    const pair = await makePair(hosts, validYears);
    logger.warn("automatically generate certificates", {
      "certificate-validity-bound-not-after": new X509Certificate(pair.cert).validTo,
    });
    return pair;
  };
  if (directory === undefined) return make();
  const { files, isNew } = await pairIn(directory, make);
  if (isNew) {
    logger.info("created cert file", { path: files.cert });
    logger.info("created key file", { path: files.key });
  }
  return { files };
};

/** Generates a self-signed certificate. The library for that is loaded on demand. */
const makePair = async (hosts: readonly string[], validYears: number): Promise<KeyPair> => {
  const { makeSelfSigned } = await import("./self-signed.js");
  return makeSelfSigned([...new Set(hosts)], validYears, new Date());
};

/** Finds the certificate in a directory, or generates and writes a new one. */
const pairIn = async (
  directory: string,
  make: () => Promise<KeyPair>,
): Promise<{ readonly files: CertificateFiles; readonly isNew: boolean }> => {
  const files = { cert: join(directory, "cert.pem"), key: join(directory, "key.pem") };
  if (isUsable(files)) return { files, isNew: false };
  writePair(directory, files, await make());
  return { files, isNew: true };
};

/**
 * Generates a self-signed certificate that is valid for a year, in `cert.pem` and `key.pem` of a directory, unless there is one
 * with its key that has not expired. Members of a cluster on one machine can share it.
 *
 * @throws StartError if the files cannot be read or written
 */
export const makeCertificateFiles = async (directory: string, hosts: readonly string[]): Promise<CertificateFiles> => {
  const { files } = await pairIn(directory, () => makePair(hosts, 1));
  return files;
};

/**
 * Whether both files exist, belong together, and the certificate has not expired. After a crash between the renames of
 * `writePair`, or if two processes write at once, the certificate and the key can be of two pairs.
 */
const isUsable = ({ cert, key }: CertificateFiles): boolean => {
  try {
    const [certificate, privateKey] = [new X509Certificate(readFileSync(cert)), readFileSync(key)];
    return new Date(certificate.validTo) > new Date() && certificate.checkPrivateKey(createPrivateKey(privateKey));
  } catch (error) {
    if (errorCode(error) === "ENOENT") return false;
    throw new StartError(`cannot use the certificate ${cert}: remove it and ${key} to have new ones made`, {
      cause: error,
    });
  }
};

const writePair = (directory: string, files: CertificateFiles, pair: KeyPair): void => {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    replaceFileSync(files.key, pair.key, 0o600);
    replaceFileSync(files.cert, pair.cert, 0o644);
  } catch (cause) {
    throw new StartError(`cannot write certificates to ${directory}`, { cause });
  }
};

/** Replaces a file so that after a crash it holds either the old or the new text, and the new one never has another mode. */
const replaceFileSync = (path: string, text: string, mode: number): void => {
  const temporary = `${path}.tmp`;
  rmSync(temporary, { force: true }); // left by a crash; an existing file would keep its mode
  writeFileSync(temporary, text, { flag: "wx", mode, flush: true }); // durable before it gets its final name
  renameSync(temporary, path);
};

const openRevocations = async (
  path: string | undefined,
  logger: Logger,
): Promise<ReloadedFiles<ReadonlySet<string>> | undefined> => {
  if (path === undefined) return undefined;
  const { revokedNumbers } = await import("./revocations.js");
  return new ReloadedFiles([path], ([contents = Buffer.alloc(0)]) => revokedNumbers(contents, path), logger);
};

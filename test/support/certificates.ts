// Certificates that tests create.

import "reflect-metadata";
import { randomUUID, webcrypto } from "node:crypto";
import { rename, writeFile } from "node:fs/promises";
import { isIP } from "node:net";
import { join } from "node:path";
import {
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  PemConverter,
  SubjectAlternativeNameExtension,
  type X509Certificate,
  X509CertificateGenerator,
  X509CrlGenerator,
} from "@peculiar/x509";

const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
const dayMs = 24 * 60 * 60 * 1_000;

/** A certificate with its key as PEM. */
export interface TestCertificate {
  readonly cert: string;
  readonly key: string;
  /** The serial number, as hex digits. */
  readonly serial: string;
}

/** Options of a certificate. */
export interface TestCertificateOptions {
  readonly commonName?: string;
  /** Names and addresses that the certificate is for. Default: localhost, 127.0.0.1 and ::1. */
  readonly hosts?: readonly string[];
  /** Whether it expired yesterday. */
  readonly isExpired?: boolean;
  /** Days of validity from now on, unless it is expired. Default: 90. */
  readonly days?: number;
}

/** The files of a certificate. */
export interface CertificatePaths {
  readonly cert: string;
  readonly key: string;
}

type Keys = Awaited<ReturnType<typeof newKeys>>;

const newKeys = () => webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);

let serials = 0x1000;

/** An authority that signs certificates. */
export class TestAuthority {
  private constructor(
    private readonly keys: Keys,
    private readonly root: X509Certificate,
  ) {}

  static async create(name = "test authority"): Promise<TestAuthority> {
    const keys = await newKeys();
    const root = await X509CertificateGenerator.createSelfSigned({
      ...{ serialNumber: (serials++).toString(16), name: `CN=${name}`, signingAlgorithm: algorithm, keys },
      ...validity(),
      extensions: [new BasicConstraintsExtension(true, undefined, true)],
    });
    return new TestAuthority(keys, root);
  }

  /** The authority's own certificate, as PEM. */
  get cert(): string {
    return `${this.root.toString("pem")}\n`;
  }

  async issue({
    commonName = "test",
    hosts = localHosts,
    isExpired = false,
    days,
  }: TestCertificateOptions = {}): Promise<TestCertificate> {
    const keys = await newKeys();
    const serial = (serials++).toString(16);
    const certificate = await X509CertificateGenerator.create({
      ...{ serialNumber: serial, subject: `CN=${commonName}`, issuer: this.root.subject },
      ...{ publicKey: keys.publicKey, signingKey: this.keys.privateKey, signingAlgorithm: algorithm },
      ...validity(isExpired ? -1 : days),
      extensions: [
        new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth, ExtendedKeyUsage.clientAuth]),
        ...(hosts.length === 0 ? [] : [new SubjectAlternativeNameExtension(hosts.map(nameOf))]),
      ],
    });
    const pkcs8 = await webcrypto.subtle.exportKey("pkcs8", keys.privateKey);
    const key = `${PemConverter.encode(pkcs8, "PRIVATE KEY")}\n`;
    return { cert: `${certificate.toString("pem")}\n`, key, serial };
  }

  /** Returns a list of revoked certificates, in DER like etcd's. */
  async revoke(certificates: readonly TestCertificate[]): Promise<Buffer> {
    const list = await X509CrlGenerator.create({
      issuer: this.root.subject,
      thisUpdate: new Date(Date.now() - dayMs),
      nextUpdate: new Date(Date.now() + dayMs),
      entries: certificates.map(({ serial }) => ({ serialNumber: serial, revocationDate: new Date() })),
      signingAlgorithm: algorithm,
      signingKey: this.keys.privateKey,
    });
    return Buffer.from(list.rawData);
  }

  /**
   * Writes the authority's certificate into a folder.
   * @returns the file
   */
  async writeTo(folder: string, name = "ca"): Promise<string> {
    const path = join(folder, `${name}.pem`);
    // Written atomically: members that start together share the file, and one may be reading it.
    const written = `${path}.${randomUUID()}`;
    await writeFile(written, this.cert);
    await rename(written, path);
    return path;
  }

  /** Issues a certificate and writes it into a folder. */
  async issueTo(
    folder: string,
    name: string,
    options?: TestCertificateOptions,
  ): Promise<TestCertificate & { readonly files: CertificatePaths }> {
    const certificate = await this.issue(options);
    const files = { cert: join(folder, `${name}.pem`), key: join(folder, `${name}-key.pem`) };
    await writeFile(files.cert, certificate.cert);
    await writeFile(files.key, certificate.key);
    return { ...certificate, files };
  }
}

const localHosts = ["localhost", "127.0.0.1", "::1"];

const nameOf = (host: string) => ({ type: isIP(host) === 0 ? "dns" : "ip", value: host }) as const;

const validity = (days = 90) => ({
  notBefore: new Date(Date.now() - 2 * dayMs),
  notAfter: new Date(Date.now() + days * dayMs),
});

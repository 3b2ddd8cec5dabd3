// Reads the TLS flags; rules and errors are etcdctl's.
import { readFileSync } from "node:fs";
import type { Command } from "commander";
import type { TlsOptions } from "../../../client/index.js";
import { exitCodes, Failure, systemErrorReason } from "../args/index.js";
import type { Globals } from "./globals.js";

/**
 * Reads the certificate files of the global flags.
 *
 * @returns undefined if endpoints without a scheme do not use TLS
 * @throws Failure if a flag is empty, a file cannot be read, or a certificate has no key
 */
export function tlsOf(program: Command, globals: Globals): TlsOptions | undefined {
  for (const name of ["cert", "key", "cacert"] as const)
    if (globals[name] === "" && program.getOptionValueSource(name) === "cli")
      throw new Failure(exitCodes.badArguments, `empty string is passed to --${name} option`);
  const tls = tlsOfFiles(globals, globals.insecureSkipTlsVerify);
  const { discoverySrv: domain, insecureDiscovery } = globals;
  if (domain === "" || insecureDiscovery) return tls;
  // The servers' certificates must be valid for the domain: a forged DNS answer must not choose the servers.
  return { ...tls, serverName: domain.replace(/\.$/, "") };
}

/** Certificate files, and whether endpoints without a scheme use TLS if there are no files. */
export type TlsFiles = Pick<Globals, "cert" | "key" | "cacert" | "insecureTransport">;

/**
 * Reads certificate files, also for another cluster than the global flags'.
 *
 * @returns undefined if endpoints without a scheme do not use TLS
 * @throws Failure if a file cannot be read, or a certificate has no key
 */
export function tlsOfFiles(files: TlsFiles, insecureSkipTlsVerify = false): TlsOptions | undefined {
  const { cert, key, cacert, insecureTransport } = files;
  if ((cert === "") !== (key === ""))
    throw new Failure(exitCodes.badArguments, `KeyFile and CertFile must both be present[key: ${key}, cert: ${cert}]`);
  const hasFiles = cert !== "" || cacert !== "";
  if (!hasFiles && insecureTransport && !insecureSkipTlsVerify) return undefined;
  return {
    ...(cacert === "" ? {} : { ca: read(cacert) }),
    ...(cert === "" ? {} : { cert: read(cert), key: read(key) }),
    insecureSkipVerify: insecureSkipTlsVerify,
  };
}

function read(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    const reason = systemErrorReason(error);
    if (reason === undefined) throw error;
    throw new Failure(exitCodes.badArguments, `open ${path}: ${reason}`);
  }
}

// Certificate revocation lists. Loaded only if a flag names one.

import "reflect-metadata";
import { X509Crl } from "@peculiar/x509";
import { asError } from "../../platform/index.js";
import { StartError } from "../base/index.js";
import { canonicalNumber } from "./certificate-rules.js";

/**
 * Reads the serial numbers of a list, as hex digits without leading zeros. A number applies to certificates of any authority,
 * as in etcd.
 *
 * @param path for the message
 * @throws StartError if the contents are no list
 */
export const revokedNumbers = (contents: Buffer, path: string): ReadonlySet<string> => {
  try {
    const isPem = contents.includes("-----BEGIN");
    const list = new X509Crl(isPem ? contents.toString("latin1") : new Uint8Array(contents));
    return new Set(list.entries.map(({ serialNumber }) => canonicalNumber(serialNumber)));
  } catch (cause) {
    throw new StartError(`cannot read the certificate revocation list ${path}`, { cause: asError(cause) });
  }
};

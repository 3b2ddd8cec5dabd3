// Certificates of a server and of a client, with etcd's flags for the server and options for the client.

import type { TlsOptions } from "../../client/index.js";
import { type CertificatePaths, TestAuthority } from "./certificates.js";

/** The files of an authority, a server and a client, in one folder. */
export interface MutualTls {
  readonly ca: string;
  readonly client: CertificatePaths;
  /** Options of our client. */
  readonly tls: TlsOptions;
  /** Flags of a server that requires certificates of its clients. */
  readonly flags: readonly string[];
}

/** Creates the certificates for mutual TLS in a folder. The client's name is alice. */
export const mutualTls = async (folder: string): Promise<MutualTls> => {
  const authority = await TestAuthority.create();
  const ca = await authority.writeTo(folder);
  const { files: server } = await authority.issueTo(folder, "server");
  const { files: client, cert, key } = await authority.issueTo(folder, "client", { commonName: "alice" });
  const flags = [`--cert-file=${server.cert}`, `--key-file=${server.key}`, `--trusted-ca-file=${ca}`];
  return { ca, client, tls: { ca: authority.cert, cert, key }, flags: [...flags, "--client-cert-auth"] };
};

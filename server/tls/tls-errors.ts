import { errorCode, isError } from "../../platform/index.js";

/** OpenSSL's codes for a first record that is not TLS. */
const notTls = new Set([
  ...["ERR_SSL_HTTP_REQUEST", "ERR_SSL_HTTPS_PROXY_REQUEST", "ERR_SSL_WRONG_VERSION_NUMBER"],
  ...["ERR_SSL_PACKET_LENGTH_TOO_LONG", "ERR_SSL_UNKNOWN_PROTOCOL", "ERR_SSL_RECORD_TOO_SMALL"],
]);

/**
 * Describes the failure of a handshake, for the log.
 *
 * @param unverified OpenSSL's reason to refuse the other side's certificate; undefined: there is none
 */
export const handshakeFailure = (error: unknown, unverified: string | undefined): string => {
  if (unverified !== undefined) return `tls: failed to verify certificate: ${adviceFor(unverified)}`;
  const code = errorCode(error) ?? "";
  if (notTls.has(code))
    return "the first bytes are not TLS: the other side has to use https:// (etcdctl: --endpoints=https://…, and --cacert)";
  if (code === "ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE") return "tls: client didn't provide a certificate";
  if (code.includes("ALERT_UNKNOWN_CA")) return "remote error: tls: unknown certificate authority";
  if (code.includes("ALERT_BAD_CERTIFICATE")) return "remote error: tls: bad certificate";
  if (code.includes("ALERT_CERTIFICATE_REQUIRED")) return "remote error: tls: certificate required";
  if (code === "ECONNRESET") return "EOF: the other side closed the connection during the handshake";
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID" && isError(error)) return `tls: ${error.message}`;
  if (code === "") return isError(error) ? error.message : String(error);
  return `tls: ${adviceFor(code)}`;
};

const advice: Readonly<Record<string, string>> = {
  CERT_SIGNATURE_FAILURE: "certificate signed by another authority of the same name",
  CERT_HAS_EXPIRED: "certificate has expired",
  DEPTH_ZERO_SELF_SIGNED_CERT: "certificate signed by unknown authority (it is signed by itself)",
  ERR_SSL_NO_SHARED_CIPHER: "no cipher suite supported by both client and server",
  ERR_SSL_UNSUPPORTED_PROTOCOL: "client offered only unsupported versions",
  INVALID_PURPOSE: "certificate specifies an incompatible key usage (clientAuth, or serverAuth, is missing)",
  SELF_SIGNED_CERT_IN_CHAIN: "certificate signed by unknown authority",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "certificate signed by unknown authority",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "certificate signed by unknown authority",
};

const adviceFor = (code: string): string => advice[code] ?? code;

/** Whether an error is one of TLS, not of the connection. */
export const isTlsError = (error: unknown): boolean => {
  const code = errorCode(error) ?? "";
  return code.startsWith("ERR_SSL") || code.startsWith("ERR_TLS") || code in advice;
};

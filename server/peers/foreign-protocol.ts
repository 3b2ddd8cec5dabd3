/** The first bytes of protocols that reach the peer port by mistake; none of them is the header of a hello. */
const http = /^(GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS|CONNECT|TRACE|PRI) /;
const tlsHandshake = [0x16, 0x03];

/** Describes the foreign protocol of a connection that begins with `bytes`, and what to do; undefined if it is not known. */
export const describeForeignProtocol = (bytes: Buffer): string | undefined => {
  if (http.test(`${bytes.toString("latin1")} `))
    return "this is HTTP, and the peer port is for members only: use the client port (--listen-client-urls)";
  if (tlsHandshake.every((byte, at) => bytes[at] === byte))
    return "this is TLS, and this peer URL is http: use https:// and --peer-cert-file on all members; clients use the client port";
  return undefined;
};

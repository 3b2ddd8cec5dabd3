/** Bytes of the longest path that a unix socket can have: what fits `sockaddr_un` with the zero that ends it. */
const maxSocketPathBytes = process.platform === "linux" ? 107 : 103;

/**
 * Says why a unix socket cannot have this path; undefined if it can. Node does not: it cuts the path to what fits, and so would bind,
 * or connect to, another one.
 */
export const socketPathProblem = (path: string): string | undefined => {
  const bytes = Buffer.byteLength(path);
  return bytes > maxSocketPathBytes
    ? `the path of a socket may have ${maxSocketPathBytes} bytes on this system, this one has ${bytes}: choose a shorter one, or a relative one`
    : undefined;
};

/** Length of the longest path of a unix socket, in bytes: `sockaddr_un` also holds a zero byte after the path. */
const maxSocketPathBytes = process.platform === "linux" ? 107 : 103;

/**
 * Returns the reason why a unix socket cannot have this path; undefined if it can. Checked here because Node cuts a long path,
 * and then binds or connects to another one.
 */
export const socketPathProblem = (path: string): string | undefined => {
  const bytes = Buffer.byteLength(path);
  return bytes > maxSocketPathBytes
    ? `the path of a socket may have ${maxSocketPathBytes} bytes on this system, this one has ${bytes}: choose a shorter one, or a relative one`
    : undefined;
};

/** Common names by connection: sockets carry nothing of ours, and most have none. */
const names = new WeakMap<object, string>();

/** Notes the common name of the certificate with which a connection's client has proved who it is. */
export const setCertificateName = (connection: object, name: string): void => void names.set(connection, name);

/** Returns the common name of the verified certificate of a connection's client; undefined: it has none, or it names no user. */
export const certificateNameOf = (connection: object): string | undefined => names.get(connection);

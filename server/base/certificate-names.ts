/** Common names by connection: a side table, as sockets have no field for them and most have none. */
const names = new WeakMap<object, string>();

/** Records the common name of the verified certificate of a connection's client. */
export const setCertificateName = (connection: object, name: string): void => void names.set(connection, name);

/** Returns the common name of the verified certificate of a connection's client; undefined: there is none, or it names no user. */
export const certificateNameOf = (connection: object): string | undefined => names.get(connection);

// Clients in the process of a member: their connections and streams without a socket.

export { InProcessTransport } from "./in-process-transport.js";
export { StreamHold } from "./stream-hold.js";

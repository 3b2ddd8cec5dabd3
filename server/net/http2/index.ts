// HTTP/2 for gRPC over sockets: frames, header blocks, streams and calls.

export type { PingChecker } from "./connection.js";
export { http2ErrorCode } from "./errors.js";
export {
  frame,
  frameFlag,
  frameHeaderBytes,
  frameType,
  numberFrame,
  preface,
  setting,
  settingsFrame,
} from "./frames.js";
export { decodeHuffman } from "./huffman.js";
export { OpenCount } from "./open-count.js";
export { GrpcServer } from "./grpc-server.js";

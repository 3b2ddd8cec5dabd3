// HTTP/2 for gRPC over sockets: frames, HPACK, streams and calls.

export { decodeHuffman } from "./huffman.js";

// The method table, statuses and large messages: the interface between engines and services.

export { bothCallbacks, unixDeadline } from "./call-ends.js";
export { decodeWith } from "./decode-with.js";
export { type InterceptedCall, sendFromFrame } from "./framed-message.js";
export {
  areMany,
  deleteRangeParts,
  encodeParts,
  type LargeList,
  listPieces,
  eventsParts,
  hasMany,
  leasesParts,
  rangeKvsTag,
  rangeParts,
  txnParts,
  type Part,
} from "./large-message.js";
export { fieldSize, ListMessage, writeItem, writeItemPrefix } from "./list-message.js";
export { MethodStats } from "./method-stats.js";
export {
  bidi,
  encodedAlready,
  sendPlain,
  serverStream,
  unary,
  unaryRead,
  unimplementedMethod,
  unimplementedMethods,
  type BidiMethod,
  type BidiResponseStream,
  type Call,
  type Decoder,
  type Encoder,
  type HandlerFactory,
  type Labelled,
  type Method,
  type Reply,
  type RequestSink,
  type ResponseStream,
  type ServerResponseStream,
  type ServerStreamMethod,
  type UnaryMethod,
  type UnimplementedMethod,
} from "./method-table.js";
export { RpcError, statusCode, statusOfError, type GrpcStatus } from "./status.js";

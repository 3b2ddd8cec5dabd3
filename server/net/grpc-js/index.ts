// The gRPC engine on `@grpc/grpc-js`. Import this door on demand only, as it loads that package (load-engine.ts).

export { createGrpcJsEngine } from "./grpc-js-engine.js";

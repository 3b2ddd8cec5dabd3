// Services and their addresses: registered, resolved, and given to grpc-js.

export { registerGrpcResolver } from "./grpc-resolver.js";
export {
  register,
  Registration,
  resolve,
  type RegisterOptions,
  type RegistryServices,
  type ServiceEndpoint,
} from "./registry.js";

// Services in DNS: the hosts that the SRV records of a domain name.

export { type NameResolver, LookupError, type ServiceRecord, systemResolver } from "./resolver.js";
export { lookUpService } from "./services.js";

// Services and hosts in DNS: the hosts in the SRV records of a domain, and their addresses.

export { type HostResolver, lookUpHost, systemHosts } from "./hosts.js";
export { type NameResolver, LookupError, type ServiceRecord, systemResolver } from "./resolver.js";
export { lookUpService } from "./services.js";

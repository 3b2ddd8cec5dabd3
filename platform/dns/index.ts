// Services and hosts in DNS: the hosts that the SRV records of a domain name, and their addresses.

export { type HostResolver, lookUpHost, systemHosts } from "./hosts.js";
export { type NameResolver, LookupError, type ServiceRecord, systemResolver } from "./resolver.js";
export { lookUpService } from "./services.js";

// The endpoints of the global flags, or of the DNS records of the domain in these flags.
import { discoverEndpoints, DiscoveryError } from "../../../client/index.js";
import { exitCodes, Failure, type Io, quote } from "../args/index.js";
import type { Globals } from "./globals.js";

/**
 * Returns the endpoints. If all endpoints from DNS are left out because they lack TLS, `--endpoints` counts, as in etcdctl.
 *
 * @throws Failure if the flags name a domain that has no records
 */
export async function endpointsFrom(globals: Globals, io: Pick<Io, "note" | "resolver">): Promise<readonly string[]> {
  const found = globals.discoverySrv === "" ? [] : await discover(globals, io);
  const kept = globals.insecureDiscovery ? found : found.filter((endpoint) => !isInsecure(endpoint, io));
  if (kept.length > 0) return kept;
  return globals.endpoints.map((endpoint) => endpoint.trim()).filter((endpoint) => endpoint !== "");
}

async function discover(
  { discoverySrv, discoverySrvName }: Globals,
  { resolver }: Pick<Io, "resolver">,
): Promise<readonly string[]> {
  try {
    return await discoverEndpoints(discoverySrv, { serviceName: discoverySrvName, resolver });
  } catch (error) {
    if (!(error instanceof DiscoveryError)) throw error;
    throw new Failure(exitCodes.error, error.message);
  }
}

function isInsecure(endpoint: string, { note }: Pick<Io, "note">): boolean {
  if (!endpoint.startsWith("http://")) return false;
  note(`ignoring discovered insecure endpoint ${quote(endpoint)}`);
  return true;
}

// The servers of the gateway tests, with the users root and `user`, who may use the keys from a to c.
import type { Call } from "./calls.js";
import type { Servers } from "./servers.js";
import { type Both, callBoth, succeed } from "./servers.js";

const call = (method: string, fields: object): Call => ({ method: `Auth/${method}`, fields });

/** Tokens by user name. */
export type GatewayTokens = Both<Record<string, string>>;

/** Adds the users to both servers, enables authentication, and logs them in. */
export const addGatewayUsers = (servers: Servers): Promise<GatewayTokens> =>
  callBoth(servers.callers, async (caller) => {
    const perm = { permType: 2, key: Buffer.from("a"), rangeEnd: Buffer.from("c") };
    await succeed(caller, [
      ...["root", "user"].flatMap((name) => [
        call("UserAdd", { name, password: "p" }),
        call("RoleAdd", { name }),
        call("UserGrantRole", { user: name, role: name }),
      ]),
      call("RoleGrantPermission", { name: "user", perm }),
      call("AuthEnable", {}),
    ]);
    const logins = ["root", "user"].map(async (name): Promise<[string, string]> => {
      const [login] = await succeed(caller, [call("Authenticate", { name, password: "p" })]);
      return [name, String(login?.messages[0]?.["token"])];
    });
    return Object.fromEntries(await Promise.all(logins));
  });

/** Fields that differ between clusters or over time. */
const masked = new Set(["cluster_id", "member_id", "raft_term", "token", "TTL", "hash"]);

/** Returns a line of an answer without the values that cannot be compared. */
export const normalize = (line: string): string => {
  try {
    return JSON.stringify(JSON.parse(line), (name, value: unknown) => (masked.has(name) ? "…" : value));
  } catch {
    return line;
  }
};

// The programs that test/interop/tools/build builds, and the clients that it installs: etcd 3.7 and its tools, h2spec, npm's etcd3 and
// others.

import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

/**
 * Returns the path of a built program, given as `etcd/etcdctl`: its folder under test/interop/tools, and its name. A folder alone is that
 * of an installed client.
 * | @throws Error with the command that builds it, if it does not exist
 */
export function pathOfTool(name: string): string {
  const program = fileURLToPath(new URL(`../../.tools/${name}`, import.meta.url));
  if (!existsSync(program)) throw new Error(`${program} is not there: run test/interop/tools/build`);
  return program;
}

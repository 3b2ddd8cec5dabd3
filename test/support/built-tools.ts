// The Go programs that test/interop/tools/build makes: etcd 3.7 and its tools, h2spec.

import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

/**
 * Gives the path of a built program, as `etcd/etcdctl`: the folder under test/interop/tools, and the name.
 *
 * @throws Error with the command that builds it, if it is not there
 */
export function builtTool(name: string): string {
  const program = fileURLToPath(new URL(`../../.tools/${name}`, import.meta.url));
  if (!existsSync(program)) throw new Error(`${program} is not there: run test/interop/tools/build`);
  return program;
}

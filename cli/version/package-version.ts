import { readFileSync } from "node:fs";

/** Reads the version in our package.json, which is two folders above the source file and above the built file. */
export const packageVersion = (): string => {
  const text = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  return (JSON.parse(text) as { version: string }).version;
};

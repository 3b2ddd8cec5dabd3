import { readFileSync } from "node:fs";

/** Reads the version in our package.json, which is two folders up from the source and from what is built. */
export const packageVersion = (): string => {
  const text = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  return (JSON.parse(text) as { version: string }).version;
};

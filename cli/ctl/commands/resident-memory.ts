// Reads the memory of a server from its metrics.
import { get as httpGet } from "node:http";
import { get as httpsGet } from "node:https";
import { text } from "node:stream/consumers";
import type { TlsOptions } from "../../../client/index.js";

/** Timeout of the request. */
const timeoutMs = 10_000;

/**
 * Reads `process_resident_memory_bytes` of the server at an endpoint.
 *
 * @throws Error with the reason if it cannot be read
 */
export async function residentMemory(endpoint: string, tls: TlsOptions | undefined): Promise<number> {
  const url = /^https?:\/\//.test(endpoint) ? endpoint : `${tls === undefined ? "http" : "https"}://${endpoint}`;
  const metrics = await textOf(`${url}/metrics`, tls);
  const [, bytes] = /^process_resident_memory_bytes (\S+)$/m.exec(metrics) ?? [];
  if (bytes === undefined) throw new Error("could not find: process_resident_memory_bytes");
  return Number(bytes);
}

function textOf(url: string, tls: TlsOptions | undefined): Promise<string> {
  const signal = AbortSignal.timeout(timeoutMs);
  const { ca, cert, key, insecureSkipVerify } = tls ?? {};
  const buffer = (file: Uint8Array | string | undefined) => (file === undefined ? undefined : Buffer.from(file));
  const files = { ca: buffer(ca), cert: buffer(cert), key: buffer(key) };
  const secure = { ...files, rejectUnauthorized: insecureSkipVerify !== true };
  return new Promise((resolve, reject) => {
    const request = url.startsWith("https:") ? httpsGet(url, { ...secure, signal }) : httpGet(url, { signal });
    request.on("error", reject);
    request.on("response", (response) => {
      if (response.statusCode === 200) resolve(text(response));
      else reject(new Error(`reading ${url}: status ${response.statusCode}`));
    });
  });
}

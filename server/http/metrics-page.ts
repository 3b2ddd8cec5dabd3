import type { IncomingHttpHeaders } from "node:http";
import { promisify } from "node:util";
import { constants, gzip } from "node:zlib";
import { errorText } from "../base/index.js";
import { type Page, textPage } from "./page.js";

const gzipText = promisify(gzip);

/** Compresses at the fastest level: the default level takes three times the time for metrics, and saves a fifth of the bytes. */
const compress = (text: string): Promise<Uint8Array> => gzipText(text, { level: constants.Z_BEST_SPEED });

/** Returns the page of metrics: compressed if the client accepts that, and with etcd's content type. */
export const metricsPage = async (metrics: () => Promise<string>, headers: IncomingHttpHeaders): Promise<Page> => {
  try {
    const text = await metrics();
    const contentType = `text/plain; version=0.0.4; charset=utf-8; escaping=${escapingOf(headers.accept)}`;
    if (!isGzipAccepted(headers["accept-encoding"])) return { status: 200, contentType, body: text };
    return { status: 200, contentType, fields: { "Content-Encoding": "gzip" }, body: await compress(text) };
  } catch (error) {
    return textPage(500, `cannot gather metrics: ${errorText(error)}`);
  }
};

/** Returns the escaping that the client has requested: all names are plain ASCII, so both escapings are the same. */
const escapingOf = (accept = ""): string =>
  /\bescaping\s*=\s*allow-utf-8\b/.test(accept) ? "allow-utf-8" : "underscores";

/** Whether an Accept-Encoding includes gzip, with a weight above 0 (RFC 9110 §12.5.3). */
const isGzipAccepted = (accepted: string | string[] = ""): boolean =>
  String(accepted)
    .split(",")
    .some((coding) => /^\s*gzip\s*(;\s*q\s*=\s*(1|1\.0+|0?\.\d*[1-9]\d*)\s*)?$/i.test(coding));

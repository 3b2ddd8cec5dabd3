import type { IncomingHttpHeaders } from "node:http";
import { promisify } from "node:util";
import { constants, gzip } from "node:zlib";
import { errorText } from "../base/index.js";
import { type Page, textPage } from "./page.js";

const gzipText = promisify(gzip);

/** Compresses at the fastest level: the default one takes three times the time for a text of metrics, and saves a fifth of the bytes. */
const compress = (text: string): Promise<Uint8Array> => gzipText(text, { level: constants.Z_BEST_SPEED });

/** Makes the page of metrics: compressed if the client takes that, and with the content type of etcd. */
export const metricsPage = async (metrics: () => Promise<string>, headers: IncomingHttpHeaders): Promise<Page> => {
  try {
    const text = await metrics();
    const contentType = `text/plain; version=0.0.4; charset=utf-8; escaping=${escapingOf(headers.accept)}`;
    if (!takesGzip(headers["accept-encoding"])) return { status: 200, contentType, body: text };
    return { status: 200, contentType, fields: { "Content-Encoding": "gzip" }, body: await compress(text) };
  } catch (error) {
    return textPage(500, `cannot gather metrics: ${errorText(error)}`);
  }
};

/** All names are plain ASCII, so that both ways of writing them are the same; a client is told what it has asked for. */
const escapingOf = (accept = ""): string =>
  /\bescaping\s*=\s*allow-utf-8\b/.test(accept) ? "allow-utf-8" : "underscores";

/** Whether an Accept-Encoding names gzip, and not with a weight of 0 (RFC 9110 §12.5.3). */
const takesGzip = (accepted: string | string[] = ""): boolean =>
  String(accepted)
    .split(",")
    .some((coding) => /^\s*gzip\s*(;\s*q\s*=\s*(1|1\.0+|0?\.\d*[1-9]\d*)\s*)?$/i.test(coding));

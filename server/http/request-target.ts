import type { Page } from "./page.js";

/** The target of a request (RFC 9112 §3.2), parsed as in Go. */
export interface RequestTarget {
  /** The path with its escapes resolved; a question mark stays escaped, as no path contains one. */
  readonly path: string;
  /** The query with its `?`, or an empty text. */
  readonly query: string;
  /** The host of an absolute URL, as sent to proxies: replaces the field `Host`. */
  readonly host: string | undefined;
  /** The path to redirect to, if this one has empty segments, `.` or `..`, or is `/v3`. */
  readonly redirect: string | undefined;
}

const wholeUrl = /^[a-z][a-z0-9+.-]*:\/\/([^/?]*)(.*)$/is;
const brokenEscape = /%(?![0-9a-f]{2})/i;

const brokenHost = /^\[[^\]]*$/;

/** Parses a target: a path, or an absolute URL. @returns undefined: the host, or an escape in the path, is invalid */
export const readTarget = (target: string): RequestTarget | undefined => {
  const [, host, rest = target] = wholeUrl.exec(target) ?? [];
  const queryAt = rest.indexOf("?");
  const escaped = queryAt === -1 ? rest : rest.slice(0, queryAt);
  if (brokenEscape.test(escaped) || brokenHost.test(host ?? "")) return undefined;
  const cleaned = escaped === "/v3" ? "/v3/" : cleanPath(escaped);
  return {
    path: unescapePath(escaped),
    query: queryAt === -1 ? "" : rest.slice(queryAt),
    host,
    redirect: cleaned === escaped ? undefined : cleaned,
  };
};

/** Resolves the escapes of a path. A path that is not UTF-8 keeps them: no page has such a name. */
const unescapePath = (escaped: string): string => {
  if (!escaped.includes("%")) return escaped;
  try {
    return decodeURIComponent(escaped.replaceAll(/%3f/gi, "%253F"));
  } catch {
    return escaped;
  }
};

/** Removes empty segments, `.`, and the segment before each `..`. */
const cleanPath = (path: string): string => {
  const parts: string[] = [];
  for (const part of path.split("/"))
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  return `/${parts.join("/")}${parts.length > 0 && path.endsWith("/") ? "/" : ""}`;
};

const htmlEscapes: Readonly<Record<string, string>> = { "&": "&amp;", "'": "&#39;" };

/** Returns the redirection to another path. */
export const redirectPage = (method: string, path: string, query: string): Page => {
  const url = encodeURI(path.replaceAll("#", "%23")).replaceAll(/[!*'()]/g, hexEscape) + query; // Go escapes twice, too
  if (method !== "GET" && method !== "HEAD") return { status: 307, fields: { Location: url }, body: "" };
  const shown = url.replaceAll(/[&']/g, (character) => htmlEscapes[character] ?? "").replaceAll(/[<>"]/g, hexEscape);
  const body = `<a href="${shown}">Temporary Redirect</a>.\n\n`;
  return { status: 307, contentType: "text/html; charset=utf-8", fields: { Location: url }, body };
};

const hexEscape = (character: string): string => `%${character.charCodeAt(0).toString(16).toUpperCase()}`;

/** The roles of header fields in a request. */
export const headerKind = {
  /** Metadata of the call. */
  regular: 0,
  method: 1,
  scheme: 2,
  path: 3,
  authority: 4,
  contentType: 5,
  contentLength: 6,
  timeout: 7,
  encoding: 8,
  /** Not allowed in any request (RFC 9113 §8.2, §8.3): the stream is reset. */
  malformed: 9,
} as const;

/** The role of a header field in a request. */
export type HeaderKind = (typeof headerKind)[keyof typeof headerKind];

const kindsByName = new Map<string, HeaderKind>([
  [":method", headerKind.method],
  [":scheme", headerKind.scheme],
  [":path", headerKind.path],
  [":authority", headerKind.authority],
  ["content-type", headerKind.contentType],
  ["content-length", headerKind.contentLength],
  ["grpc-timeout", headerKind.timeout],
  ["grpc-encoding", headerKind.encoding],
  ["connection", headerKind.malformed],
  ["proxy-connection", headerKind.malformed],
  ["keep-alive", headerKind.malformed],
  ["transfer-encoding", headerKind.malformed],
  ["upgrade", headerKind.malformed],
]);

const lowercaseToken = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/;
const forbiddenInValue = /[\0\r\n]/;

const kindOf = (name: string, value: string): HeaderKind => {
  const kind = kindsByName.get(name);
  if (forbiddenInValue.test(value)) return headerKind.malformed;
  if (kind !== undefined) return kind;
  if (name === "te") return value === "trailers" ? headerKind.regular : headerKind.malformed;
  return lowercaseToken.test(name) ? headerKind.regular : headerKind.malformed;
};

/** A decoded and classified header field. Tables share fields, so a repeated field is the same object. */
export class HeaderField {
  readonly kind: HeaderKind;
  /** The size by HPACK's rules (RFC 7541 §4.1). */
  readonly size: number;

  constructor(
    readonly name: string,
    readonly value: string,
  ) {
    this.kind = kindOf(name, value);
    this.size = name.length + value.length + 32;
  }
}

/** HPACK's static table (RFC 7541, appendix A); its first field has index 1. */
export const staticTable: readonly HeaderField[] = `:authority
:method GET
:method POST
:path /
:path /index.html
:scheme http
:scheme https
:status 200
:status 204
:status 206
:status 304
:status 400
:status 404
:status 500
accept-charset
accept-encoding gzip, deflate
accept-language
accept-ranges
accept
access-control-allow-origin
age
allow
authorization
cache-control
content-disposition
content-encoding
content-language
content-length
content-location
content-range
content-type
cookie
date
etag
expect
expires
from
host
if-match
if-modified-since
if-none-match
if-range
if-unmodified-since
last-modified
link
location
max-forwards
proxy-authenticate
proxy-authorization
range
referer
refresh
retry-after
server
set-cookie
strict-transport-security
transfer-encoding
user-agent
vary
via
www-authenticate`
  .split("\n")
  .map((line) => {
    const space = line.indexOf(" ");
    return space < 0 ? new HeaderField(line, "") : new HeaderField(line.slice(0, space), line.slice(space + 1));
  });

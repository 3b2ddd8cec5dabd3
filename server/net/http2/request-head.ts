import { emptyList } from "../../../platform/index.js";
import { headerKind, type HeaderField } from "./header-field.js";
import { maxRememberedHeadBytes, rememberedHeads } from "./limits.js";

/** The validated headers of a request. Requests with the same headers share one head. */
export interface RequestHead {
  readonly method: string;
  readonly path: string;
  /** Empty: the header is absent. */
  readonly contentType: string;
  /** The compression of the request's messages; undefined: none. */
  readonly encoding: string | undefined;
  /** The declared length in bytes; undefined: the header is absent. */
  readonly contentLength: number | undefined;
  /** All fields but `grpc-timeout`. */
  readonly fields: readonly HeaderField[];
}

/**
 * Builds heads from decoded header fields. Equal fields are the same objects, whatever index or literal the client sent for
 * them, so the head of an earlier request is found by them. Only `grpc-timeout`, which changes with each request, is kept
 * apart.
 */
export class RequestHeads {
  /** `grpc-timeout` of the last request; the last one if there are several, as in grpc-go. */
  timeout: string | undefined;
  private readonly heads = emptyList<RequestHead>();
  private next = 0;

  /** Returns undefined if the request is malformed (RFC 9113 §8.1.1). */
  read(fields: readonly HeaderField[]): RequestHead | undefined {
    this.timeout = undefined;
    for (const head of this.heads) if (this.isSame(head, fields)) return head;
    const head = headOf(fields);
    if (head === undefined) return undefined;
    this.timeout = fields.findLast(({ kind }) => kind === headerKind.timeout)?.value;
    if (isSmall(fields)) {
      this.heads[this.next] = head;
      this.next = (this.next + 1) % rememberedHeads;
    }
    return head;
  }

  private isSame(head: RequestHead, fields: readonly HeaderField[]): boolean {
    const known = head.fields;
    let timeout: string | undefined;
    let count = 0;
    for (const field of fields) {
      if (field.kind === headerKind.timeout) timeout = field.value;
      else if (known[count++] !== field) return false;
    }
    if (count !== known.length) return false;
    this.timeout = timeout;
    return true;
  }
}

/** Whether fields may follow the messages of a request: they have no pseudo-headers (RFC 9113 §8.1). */
export const areTrailers = (fields: readonly HeaderField[]): boolean =>
  fields.every(({ kind }) => !isPseudo(kind) && kind !== headerKind.malformed);

/** Whether there are as few fields as usual; caching more would give a client control of the server's memory. */
const isSmall = (fields: readonly HeaderField[]): boolean =>
  fields.reduce((bytes, { size }) => bytes + size, 0) <= maxRememberedHeadBytes;

const isPseudo = (kind: number): boolean => kind >= headerKind.method && kind <= headerKind.authority;

const headOf = (fields: readonly HeaderField[]): RequestHead | undefined => {
  const values: (string | undefined)[] = [];
  let isBehindPseudo = false;
  for (const { kind, value } of fields) {
    if (kind === headerKind.malformed) return undefined;
    if (isPseudo(kind) && (isBehindPseudo || values[kind] !== undefined)) return undefined;
    isBehindPseudo ||= !isPseudo(kind);
    if (kind !== headerKind.regular) values[kind] ??= value;
  }
  const { method, scheme, path, contentType, contentLength, encoding } = headerKind;
  const length = values[contentLength];
  if (values[method] === undefined || values[scheme] === undefined || !values[path]) return undefined;
  if (length !== undefined && !/^\d{1,15}$/.test(length)) return undefined;
  return {
    method: values[method],
    path: values[path],
    contentType: values[contentType] ?? "",
    encoding: values[encoding],
    contentLength: length === undefined ? undefined : Number(length),
    fields: fields.filter(({ kind }) => kind !== headerKind.timeout),
  };
};

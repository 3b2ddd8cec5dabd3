/** The answer to a request for a page. */
export interface Page {
  readonly status: number;
  readonly contentType?: string;
  /** Further header fields. */
  readonly fields?: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array;
}

/** Returns the answer of one path; never rejects. */
export type PageHandler = (query: URLSearchParams) => Page | Promise<Page>;

/** Returns a page of one line of text. `nosniff` keeps browsers from guessing another type, as in Go's `http.Error`. */
export const textPage = (status: number, line: string, fields: Readonly<Record<string, string>> = {}): Page => ({
  status,
  contentType: "text/plain; charset=utf-8",
  fields: { ...fields, "X-Content-Type-Options": "nosniff" },
  body: `${line}\n`,
});

/** The answer to a request for a page. */
export interface Page {
  readonly status: number;
  readonly contentType?: string;
  /** Further header fields. */
  readonly fields?: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array;
}

/** Makes the answer of one path; never rejects. */
export type PageHandler = (query: URLSearchParams) => Page | Promise<Page>;

/** Makes a page of one line of text for programs and people. Browsers are told to take it as text, as by Go's `http.Error`. */
export const textPage = (status: number, line: string, fields: Readonly<Record<string, string>> = {}): Page => ({
  status,
  contentType: "text/plain; charset=utf-8",
  fields: { ...fields, "X-Content-Type-Options": "nosniff" },
  body: `${line}\n`,
});

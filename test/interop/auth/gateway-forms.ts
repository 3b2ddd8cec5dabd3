// Ways to send a token to the JSON gateway in HTTP headers, valid and invalid ones.

export type Headers = Readonly<Record<string, string>>;

const basic = `Basic ${Buffer.from("user:p").toString("base64")}`;

export const tokenForms = {
  none: () => ({}),
  bare: (token) => ({ Authorization: token }),
  bearer: (token) => ({ authorization: `Bearer ${token}` }),
  "bearer in small letters": (token) => ({ Authorization: `bearer ${token}` }),
  "another scheme": (token) => ({ Authorization: `Token ${token}` }),
  "bearer and two spaces": (token) => ({ Authorization: `Bearer  ${token}` }),
  "bearer with a space behind": (token) => ({ Authorization: `Bearer ${token} ` }),
  "bearer without a space": (token) => ({ Authorization: `Bearer${token}` }),
  "bearer without a token": () => ({ Authorization: "Bearer" }),
  "bearer and a space": () => ({ Authorization: "Bearer " }),
  empty: () => ({ Authorization: "" }),
  basic: () => ({ Authorization: basic }),
  "metadata token": (token) => ({ "Grpc-Metadata-Token": token }),
  "metadata token, bearer": (token) => ({ "Grpc-Metadata-Token": `Bearer ${token}` }),
  "metadata authorization": (token) => ({ "Grpc-Metadata-Authorization": token }),
  "metadata authorization, bearer": (token) => ({ "Grpc-Metadata-Authorization": `Bearer ${token}` }),
  token: (token) => ({ Token: token }),
  cookie: (token) => ({ Cookie: `token=${token}` }),
  "bare, and wrong metadata": (token) => ({ Authorization: token, "Grpc-Metadata-Token": "wrong" }),
  "wrong, and right metadata": (token) => ({ Authorization: "wrong", "Grpc-Metadata-Token": token }),
  "as for WebSockets": (token) => ({ "Sec-WebSocket-Protocol": `Bearer, ${token}` }),
} satisfies Record<string, (token: string) => Headers>;

/** The name of a way to send a token. */
export type TokenForm = keyof typeof tokenForms;

export const formNames = Object.keys(tokenForms) as TokenForm[];

/** Returns the headers with a token; undefined: no user's. */
export const headersOf = (form: TokenForm, token: string | undefined): Headers =>
  token === undefined ? {} : tokenForms[form](token);

/** The error of a body that is not valid JSON, or not the JSON of its message; `message` is etcd's. */
export class InvalidJsonError extends Error {
  override readonly name = "InvalidJsonError";
}

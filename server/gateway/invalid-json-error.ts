/** A body that is not the JSON of a request; `message` is etcd's. */
export class InvalidJsonError extends Error {
  override readonly name = "InvalidJsonError";
}

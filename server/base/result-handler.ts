/** Receives the outcome of a request: exactly one of the methods is called, once. */
export interface ResultHandler<Result> {
  onResult(result: Result): void;
  onError(error: unknown): void;
}

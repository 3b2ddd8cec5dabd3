import { asError } from "../../platform/index.js";
import type { Caller, ResultHandler } from "../base/index.js";

/** Calls an operation and returns its result as a promise, for rare operations: a promise costs more than a handler. */
export const resultOf = <Request, Result>(
  operation: (caller: Caller, request: Request, handler: ResultHandler<Result>) => void,
  caller: Caller,
  request: Request,
): Promise<Result> =>
  new Promise((resolve, reject) => {
    operation(caller, request, {
      onResult: resolve,
      onError: (error) => reject(asError(error)),
    });
  });

// Adapts methods with one request and a stream of responses to methods with streams in both directions.

import {
  type BidiMethod,
  type RequestSink,
  RpcError,
  type ServerStreamMethod,
  statusCode,
} from "../../../server/rpc/index.js";

const noRequestError = () =>
  new RpcError({
    code: statusCode.internal,
    details: "cardinality violation: received no request message from non-client-streaming RPC",
  });

/**
 * Returns a function that opens a stream of a method: the first request is handled, as by a server's port; further requests are
 * ignored.
 */
export const openServerStream =
  ({ handle }: ServerStreamMethod): BidiMethod["open"] =>
  (call, answers): RequestSink<never> => {
    let hasRequest = false;
    let isOver = false;
    let onClosed: () => void = () => undefined;
    const setCloseListener = (callback: () => void): void => {
      if (isOver) callback();
      else onClosed = callback;
    };
    return {
      onRequest: (request) => {
        if (hasRequest) return;
        hasRequest = true;
        handle(request, call, {
          send: (response) => answers.send(response),
          setDrainListener: (callback) => answers.setDrainListener(callback),
          setCloseListener,
          fail: (error) => answers.fail(error),
          endStream: () => answers.endStream(),
        });
      },
      onHalfClose: () => {
        if (!hasRequest) answers.fail(noRequestError());
      },
      onClosed: () => {
        isOver = true;
        onClosed();
      },
    };
  };

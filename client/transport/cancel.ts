// Giving up a call that grpc-js has been told to make.

/**
 * Cancels a call so that nothing of it is left on the connection. grpc-js begins a call some microtasks after it was made,
 * even if it was cancelled before: the server would go on with it, and the connection could not close.
 */
export function cancelCall(call: { cancel(): void }): void {
  call.cancel();
  setImmediate(() => call.cancel());
}

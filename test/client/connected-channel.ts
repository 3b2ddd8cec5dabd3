import type { Channel } from "../../client/index.js";

/** Returns a channel that is connected immediately, answers no unary call, and has streams of this kind. */
export const connectedChannel = (bidi: Channel["bidi"]): Channel => ({
  state: "ready",
  connect: () => undefined,
  onStateChange: () => undefined,
  failureReason: () => Promise.resolve("none"),
  unary: () => ({ cancel: () => undefined }),
  bidi,
  close: () => undefined,
});

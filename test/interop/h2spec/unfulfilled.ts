// Cases of h2spec that the grpc-js engine fails. Of 145 cases, etcd 3.7.3 fails 25, and skips the same five.

const noBody = "h2spec wants a DATA frame; a refused request is answered with headers only, as gRPC does";
const notUsed = "h2spec skips it: the answer to its request is shorter than it needs";
const closedStream = "Node ignores what comes for a stream that has ended, and says nothing";
const answerFirst = "the request is refused at once; Node's GOAWAY for the frame after it comes before or after that";
const answeredMeanwhile =
  "the request is complete; once it is answered, its stream has ended, and Node ignores the frame";
const dropped = "Node closes the connection without the GOAWAY, or with another one";

/** The reason why each case fails or is skipped. Other cases must pass, and these must not. */
export const unfulfilled: Readonly<Record<string, string>> = {
  "failed generic/2: Sends a WINDOW_UPDATE frame on half-closed (remote) stream": noBody,
  "failed generic/2: Sends a PRIORITY frame on half-closed (remote) stream": noBody,
  "failed http2/5.1: closed: Sends a DATA frame after sending RST_STREAM frame": closedStream,
  "failed http2/5.1: closed: Sends a HEADERS frame after sending RST_STREAM frame": closedStream,
  "failed http2/5.1: closed: Sends a DATA frame": closedStream,
  "failed http2/5.1: closed: Sends a HEADERS frame": closedStream,
  "failed http2/5.1.1: Sends stream identifier that is numerically smaller than previous": closedStream,
  "skipped http2/5.1.2: Sends HEADERS frames that causes their advertised concurrent stream limit to be exceeded":
    "h2spec skips it: there is no limit for the streams of a connection",
  "skipped http2/6.5.3: Sends multiple values of SETTINGS_INITIAL_WINDOW_SIZE": notUsed,
  "failed http2/6.7: Sends a PING frame with ACK": dropped,
  "skipped http2/6.9.1: Sends SETTINGS frame to set the initial window size to 1 and sends HEADERS frame": notUsed,
  "failed http2/6.9.1: Sends multiple WINDOW_UPDATE frames increasing the flow control window to above 2^31-1": dropped,
  "skipped http2/6.9.2: Changes SETTINGS_INITIAL_WINDOW_SIZE after sending HEADERS frame": notUsed,
  "skipped http2/6.9.2: Sends a SETTINGS frame for window size to be negative": notUsed,
};

/** Cases whose outcome depends on timing: the answer to a request may come before the error for the frames behind it. */
export const varying: Readonly<Record<string, string>> = {
  "http2/5.1: half closed (remote): Sends a DATA frame": answeredMeanwhile,
  "http2/5.1: half closed (remote): Sends a HEADERS frame": answeredMeanwhile,
  'http2/6.1: Sends a DATA frame on the stream that is not in "open" or "half-closed (local)" state': answeredMeanwhile,
  "http2/6.1: Sends a DATA frame with invalid pad length": answerFirst,
  "http2/8.1: Sends a second HEADERS frame without the END_STREAM flag": answerFirst,
  "http2/8.1.2.1: Sends a HEADERS frame that contains a pseudo-header field as trailers": answerFirst,
  'http2/8.1.2.6: Sends a HEADERS frame with the "content-length" header field which does not equal the DATA frame payload length':
    answerFirst,
  'http2/8.1.2.6: Sends a HEADERS frame with the "content-length" header field which does not equal the sum of the multiple DATA frames payload length':
    answerFirst,
};

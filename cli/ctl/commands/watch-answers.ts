// Watches as etcdctl shows them: every answer of the server, and finally the reason of the end.
import { CompactedError, ConnectError, EtcdError, WatchEndedError, type Client } from "../../../client/index.js";
import type { WatchAnswer } from "../output/index.js";
import type { WatchRequest } from "./watch-request.js";

/** The watches of one command. */
export class Watches {
  private hasServer = false;

  constructor(private readonly client: Client) {}

  /**
   * Yields the answers, in order, until an answer says that the watch was canceled, or the client is closed.
   *
   * @throws ConnectError if no server could ever be reached
   */
  async *answers({ key, options }: WatchRequest): AsyncGenerator<WatchAnswer, void, void> {
    const watch = this.client.watch(key, options);
    try {
      const ready = watch.whenReady({ timeoutMs: Infinity });
      await ready.then(
        () => (this.hasServer = true),
        (error: unknown) => {
          if (!(error instanceof ConnectError && this.hasServer)) throw error;
        },
      );
      for await (const response of watch.responses()) yield { ...response, compactRevision: 0, canceled: false };
    } catch (error) {
      if (!(error instanceof EtcdError) || error instanceof ConnectError) throw error;
      const isClosed = error.code === "cancelled" && !(error instanceof WatchEndedError);
      if (!isClosed) yield lastAnswer(error);
    }
  }

  /** Requests the progress: one more answer for each watch. */
  requestProgress(): void {
    this.client.requestWatchProgress();
  }
}

const noHeader = { clusterId: 0n, memberId: 0n, revision: 0, raftTerm: 0 };

function lastAnswer(error: EtcdError): WatchAnswer {
  const ended = { events: [], compactRevision: 0, canceled: true };
  if (error instanceof CompactedError)
    return { ...ended, header: error.end.header, compactRevision: error.compactRevision };
  if (!(error instanceof WatchEndedError)) return { ...ended, header: noHeader, refusal: error.message };
  const { header, cancelReason } = error.end;
  return cancelReason === "" ? { ...ended, header } : { ...ended, header: noHeader, refusal: cancelReason };
}

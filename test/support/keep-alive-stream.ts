// A raw LeaseKeepAlive stream, without the logic of a client.

import { Client, credentials, Metadata, type ClientDuplexStream, type StatusObject } from "@grpc/grpc-js";
import { LeaseKeepAliveRequest, LeaseKeepAliveResponse } from "../../proto/index.js";

export class RawKeepAlive implements Disposable {
  /** The status at the end of the stream. */
  readonly whenEnded: Promise<Pick<StatusObject, "code" | "details">>;
  private readonly grpc: Client;
  private readonly call: ClientDuplexStream<LeaseKeepAliveRequest, LeaseKeepAliveResponse>;
  private readonly received: LeaseKeepAliveResponse[] = [];
  private wake: () => void = () => undefined;

  constructor(endpoint: string, metadata: Readonly<Record<string, string>> = {}) {
    this.grpc = new Client(endpoint, credentials.createInsecure());
    const sent = new Metadata();
    for (const [name, value] of Object.entries(metadata)) sent.set(name, value);
    this.call = this.grpc.makeBidiStreamRequest(
      "/etcdserverpb.Lease/LeaseKeepAlive",
      (request: LeaseKeepAliveRequest) => Buffer.from(LeaseKeepAliveRequest.encode(request).finish()),
      (bytes: Buffer) => LeaseKeepAliveResponse.decode(bytes),
      sent,
    );
    this.call.on("data", (response: LeaseKeepAliveResponse) => {
      this.received.push(response);
      this.wake();
    });
    this.call.on("error", () => undefined); // `ended` reports it
    this.whenEnded = new Promise((resolve) =>
      this.call.on("status", ({ code, details }: StatusObject) => resolve({ code, details })),
    );
  }

  send(...ids: readonly bigint[]): void {
    for (const ID of ids) this.call.write({ ID });
  }

  halfClose(): void {
    this.call.end();
  }

  async next(): Promise<LeaseKeepAliveResponse> {
    for (;;) {
      const response = this.received.shift();
      if (response !== undefined) return response;
      await new Promise<void>((resolve) => (this.wake = resolve));
    }
  }

  [Symbol.dispose](): void {
    this.call.cancel();
    this.grpc.close();
  }
}

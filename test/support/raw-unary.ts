// Unary gRPC calls without the logic of a client: the answer, or code and text of the status.

import { Client, credentials, type ServiceError } from "@grpc/grpc-js";

/** The codec of a message. */
export interface MessageCodec<Message> {
  encode(message: Message): { finish(): Uint8Array };
  decode(bytes: Uint8Array): Message;
}

/** The result of a call: the answer, or the status. */
export type Outcome<Response> = { readonly ok: Response } | { readonly code: number; readonly details: string };

export class RawUnary implements Disposable {
  private readonly grpc: Client;

  constructor(endpoint: string) {
    this.grpc = new Client(endpoint, credentials.createInsecure());
  }

  /** @param path the method on the wire: `/etcdserverpb.KV/Put` */
  call<Request, Response>(
    path: string,
    [requests, responses]: readonly [MessageCodec<Request>, MessageCodec<Response>],
    request: Request,
  ): Promise<Outcome<Response>> {
    return new Promise((resolve) => {
      this.grpc.makeUnaryRequest(
        path,
        (message: Request) => Buffer.from(requests.encode(message).finish()),
        (bytes: Buffer) => responses.decode(bytes),
        request,
        (error: ServiceError | null, response?: Response) => {
          if (error !== null || response === undefined)
            resolve({ code: error?.code ?? -1, details: error?.details ?? "no answer" });
          else resolve({ ok: response });
        },
      );
    });
  }

  [Symbol.dispose](): void {
    this.grpc.close();
  }
}

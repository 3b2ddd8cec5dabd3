// Calls of any unary method, over gRPC or the JSON gateway, with their answers as JSON.
import { Agent, type IncomingMessage, request as httpRequest } from "node:http";
import { createFileRegistry, type DescMethod, fromBinary, type JsonValue, toJson } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { Client, credentials, Metadata, type StatusObject } from "@grpc/grpc-js";
import { fileDescriptorSet } from "../../../proto/index.js";
import { routes } from "../../../server/gateway/routes.js";
import { scaleMs } from "../../support/machine-speed.js";

/** A method and the bytes of its request. */
export interface Call {
  /** `/package.Service/Method` */
  readonly path: string;
  readonly bytes: Uint8Array;
  /** The transport; the gateway takes only valid messages of methods that it has. */
  readonly over: "grpc" | "gateway";
}

/** An answer, or the end of a call without one. */
export interface Reply {
  /** gRPC status, or the code in the body. */
  readonly code: number;
  readonly details: string;
  /** HTTP status, over the gateway. */
  readonly http?: number | undefined;
  readonly messages: readonly JsonValue[];
}

/** Timeout that only a call that hangs exceeds. */
const deadlineMs = scaleMs(20_000);

const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, Buffer.from(fileDescriptorSet, "base64")));
const gatewayPaths = new Map([...routes].map(([path, method]) => [method, path]));

/** Returns the gateway's path of a method. */
export const gatewayPathOf = (path: string): string | undefined => gatewayPaths.get(path);

export const isOnGateway = (path: string): boolean => gatewayPaths.has(path);

/** Finds a method; undefined: it is unknown. */
export function methodAt(path: string): DescMethod | undefined {
  const [, service = "", name] = path.split("/");
  return registry.getService(service)?.methods.find((method) => method.name === name);
}

/** Returns a request as JSON; undefined: the method is unknown, or the bytes are invalid. */
export function requestJson({ path, bytes }: Pick<Call, "path" | "bytes">): JsonValue | undefined {
  const method = methodAt(path);
  try {
    return method && toJson(method.input, fromBinary(method.input, bytes));
  } catch {
    return undefined;
  }
}

/** Replaces the no-break space that Go's protobuf library writes into its errors in some builds. */
const withSpaces = (text: string): string => text.replace("proto:\u00a0", "proto: ");

/** Calls one server. */
export class Caller implements Disposable {
  private readonly grpc: Client;
  private readonly agent = new Agent({ keepAlive: true, maxSockets: 1 });

  /** @param endpoint `host:port` */
  constructor(private readonly endpoint: string) {
    this.grpc = new Client(endpoint, credentials.createInsecure());
  }

  call(call: Call): Promise<Reply> {
    return call.over === "grpc" ? this.overGrpc(call) : this.overGateway(call);
  }

  [Symbol.dispose](): void {
    this.grpc.close();
    this.agent.destroy();
  }

  /** Calls the method as a stream, which also works for unary methods. */
  private overGrpc({ path, bytes }: Call): Promise<Reply> {
    const output = methodAt(path)?.output;
    const messages: JsonValue[] = [];
    const call = this.grpc.makeServerStreamRequest(
      path,
      (request: Buffer) => request,
      (response: Buffer) => response,
      Buffer.from(bytes),
      new Metadata(),
      { deadline: Date.now() + deadlineMs },
    );
    call.on("data", (response: Buffer) => {
      if (output !== undefined)
        messages.push(toJson(output, fromBinary(output, response), { useProtoFieldName: true }));
    });
    call.on("error", () => undefined); // the status event reports it
    return new Promise((resolve) =>
      call.on("status", ({ code, details }: StatusObject) => resolve({ code, details: withSpaces(details), messages })),
    );
  }

  private overGateway(call: Call): Promise<Reply> {
    const [host = "", port] = this.endpoint.split(":");
    const options = { host, port, method: "POST", path: gatewayPaths.get(call.path), agent: this.agent };
    return new Promise((resolve, reject) => {
      const request = httpRequest({ ...options, timeout: deadlineMs });
      request.on("error", reject);
      request.on("timeout", () => request.destroy(new Error(`no answer to ${call.path}`)));
      request.on("response", (response: IncomingMessage) => {
        const replyOf = (pieces: string[]) => {
          const http = response.statusCode;
          const body = JSON.parse(pieces.join("")) as JsonValue;
          const { code, message } = body as { code: number; message: string };
          if (http === 200) resolve({ code: 0, details: "", http, messages: [body] });
          else resolve({ code, details: withSpaces(message), http, messages: [] });
        };
        response.setEncoding("utf8").toArray().then(replyOf).catch(reject);
      });
      request.end(JSON.stringify(requestJson(call)));
    });
  }
}

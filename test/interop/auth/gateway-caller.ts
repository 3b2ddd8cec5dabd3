// A client of one server's JSON gateway, as any user. It decodes the answers, so that they can be compared like those over gRPC.
import { Agent, type IncomingMessage, request } from "node:http";
import { fromJson, type JsonObject, type JsonValue, toBinary } from "@bufbuild/protobuf";
import { gatewayPathOf, methodAt, requestJson } from "../differential/calls.js";
import { scaleMs } from "../../support/machine-speed.js";
import { decodeResponse, encodeRequest, type Outcome, pathOf } from "./calls.js";
import { headersOf, type TokenForm } from "./gateway-forms.js";

/** A call of a method that is available through the gateway. */
export interface GatewayCall {
  readonly method: string;
  /** The request message, or those that the client sends on a stream. */
  readonly messages: readonly object[];
  readonly token: string | undefined;
  readonly form: TokenForm;
}

interface Response {
  readonly status: number | undefined;
  readonly lines: readonly string[];
}

/** Timeout that only a call that hangs exceeds. */
const deadlineMs = scaleMs(30_000);

/** Streams that do not end; only their first line is read. */
const endless = new Set(["Watch/Watch"]);

/** One server. */
export class GatewayCaller {
  private readonly agent = new Agent({ keepAlive: true, maxSockets: 4 });

  /** @param endpoint `host:port` */
  constructor(private readonly endpoint: string) {}

  /** Calls a method, and reads the whole answer. */
  async call({ method, messages, token, form }: GatewayCall): Promise<Outcome> {
    const path = pathOf(method);
    const body = messages.map((fields) => JSON.stringify(requestJson({ path, bytes: encodeRequest(method, fields) })));
    const response = await this.post(method, body.join("\n"), headersOf(form, token));
    return outcomeOf(method, response);
  }

  close(): void {
    this.agent.destroy();
  }

  private post(method: string, body: string, headers: Readonly<Record<string, string>>): Promise<Response> {
    const [host = "", port] = this.endpoint.split(":");
    const options = { host, port, method: "POST", path: gatewayPathOf(pathOf(method)), headers, agent: this.agent };
    return new Promise((resolve, reject) => {
      const post = request({ ...options, timeout: deadlineMs });
      post.on("error", reject);
      post.on("timeout", () => post.destroy(new Error(`no answer to ${method}`)));
      post.on("response", (response: IncomingMessage) => {
        let text = "";
        const end = () =>
          resolve({ status: response.statusCode, lines: text.split("\n").filter((line) => line !== "") });
        response.on("error", reject);
        response.on("end", end);
        response.setEncoding("utf8").on("data", (piece: string) => {
          text += piece;
          if (!endless.has(method) || !text.includes("\n")) return;
          end();
          post.destroy();
        });
      });
      post.end(body);
    });
  }
}

function outcomeOf(method: string, { status, lines }: Response): Outcome {
  const bodies = lines.map((line) => JSON.parse(line) as JsonObject);
  const failure = bodies.map((body) => failureIn(body, status)).find((found) => found !== undefined);
  const answers = bodies
    .filter((body) => failureIn(body, status) === undefined)
    .map((body) => (body["result"] ?? body) as JsonObject);
  return {
    code: (failure?.["code"] ?? 0) as number,
    details: (failure?.["message"] ?? "") as string,
    messages: answers.map((json) => messageOf(method, json)),
    http: { status, form: bodies.map((body) => formOf(body)) },
  };
}

/** Returns the error in a body, alone or as a line of a stream. */
const failureIn = (body: JsonObject, status: number | undefined): JsonObject | undefined =>
  (body["error"] as JsonObject | undefined) ?? (status === 200 ? undefined : body);

function messageOf(method: string, json: JsonObject): Outcome["messages"][number] {
  const output = methodAt(pathOf(method))?.output;
  if (output === undefined) throw new Error(`no method ${method} is described`);
  return decodeResponse(method, toBinary(output, fromJson(output, json)));
}

/** Replaces the values in a body by their types: the values are compared after decoding. */
function formOf(value: JsonValue): JsonValue {
  if (Array.isArray(value)) return value.map(formOf);
  if (typeof value !== "object" || value === null) return typeof value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, formOf(inner)]));
}

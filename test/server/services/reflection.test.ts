// gRPC's server reflection, with a client of grpc-js.

import assert from "node:assert/strict";
import { createServer } from "node:net";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { createFileRegistry, fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema, FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { Client, credentials, status, type ServiceError } from "@grpc/grpc-js";
import { systemClock } from "../../../platform/index.js";
import { ServerReflectionRequest, ServerReflectionResponse } from "../../../proto/index.js";
import { UntakenAnswers } from "../../../server/net/engine/untaken-answers.js";
import { reflectionMethods } from "../../../server/services/reflection.js";
import type { Call } from "../../../server/rpc/method-table.js";
import { temporaryDirectory } from "../member/member-fixtures.js";
import { eventually } from "../../support/deadline.js";
import { type CreateEngine, handTo, onEachEngine } from "../net/engines.js";

type Asked = ServerReflectionRequest["messageRequest"];
type Answer = ServerReflectionResponse["messageResponse"];

/** Sets up an engine with reflection only, and a function that makes each request on a stream of its own. */
const setUp = async (t: TestContext, createEngine: CreateEngine) => {
  const path = join(await temporaryDirectory(t), "s");
  const engine = createEngine({
    clock: systemClock,
    untaken: new UntakenAnswers(systemClock, () => undefined),
    methods: reflectionMethods(() => undefined),
    maxRequestBytes: 10_000,
    onUnexpectedError: (error) => assert.fail(error as Error),
  });
  const server = createServer(handTo(engine));
  await new Promise<void>((resolve) => server.listen(path, resolve));
  const client = new Client(`unix:${path}`, credentials.createInsecure());
  t.after(async () => {
    client.close();
    server.close();
    await engine.stop(0);
  });
  return async (asked: readonly Asked[], version = "v1"): Promise<ServerReflectionResponse[]> => {
    const stream = client.makeBidiStreamRequest(
      `/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`,
      (request: ServerReflectionRequest) => Buffer.from(ServerReflectionRequest.encode(request).finish()),
      (bytes) => ServerReflectionResponse.decode(bytes),
    );
    for (const messageRequest of asked) stream.write({ host: "here", messageRequest });
    stream.end();
    const answers: ServerReflectionResponse[] = [];
    for await (const answer of stream) answers.push(answer as ServerReflectionResponse);
    return answers;
  };
};

const bySymbol = (value: string): Asked => ({ $case: "fileContainingSymbol", value });
const namesOf = (answer: Answer): string[] => {
  assert.equal(answer?.$case, "fileDescriptorResponse", JSON.stringify(answer));
  return answer.value.fileDescriptorProto.map((bytes) => fromBinary(FileDescriptorProtoSchema, bytes).name);
};

onEachEngine("the services of a member are listed by both versions of reflection", async (t, createEngine) => {
  const ask = await setUp(t, createEngine);
  for (const version of ["v1", "v1alpha"]) {
    const [answer] = await ask([{ $case: "listServices", value: "" }], version);
    assert.equal(answer?.messageResponse?.$case, "listServicesResponse");
    assert.deepEqual(
      answer.messageResponse.value.service.map(({ name }) => name),
      [
        ...["Auth", "Cluster", "KV", "Lease", "Maintenance", "Watch"].map((name) => `etcdserverpb.${name}`),
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
        "v3electionpb.Election",
        "v3lockpb.Lock",
      ],
    );
    assert.deepEqual(
      [answer.validHost, answer.originalRequest?.messageRequest],
      ["here", { $case: "listServices", value: "" }],
    );
  }
});

onEachEngine("a symbol's file comes with all that it imports, so that it can be used", async (t, createEngine) => {
  const ask = await setUp(t, createEngine);
  const [answer] = await ask([bySymbol("etcdserverpb.KV")]);
  assert.equal(answer?.messageResponse?.$case, "fileDescriptorResponse");
  const file = answer.messageResponse.value.fileDescriptorProto.map((bytes) =>
    fromBinary(FileDescriptorProtoSchema, bytes),
  );
  const registry = createFileRegistry({ $typeName: FileDescriptorSetSchema.typeName, file: file.reverse() });
  const put = registry.getService("etcdserverpb.KV")?.methods.find(({ name }) => name === "Put");
  assert.deepEqual(
    put?.input.fields.map(({ name }) => name),
    ["key", "value", "lease", "prev_kv", "ignore_value", "ignore_lease"],
  );
});

onEachEngine("each symbol of a file is found with the file that defines it", async (t, createEngine) => {
  const ask = await setUp(t, createEngine);
  const symbols = [
    ...["etcdserverpb.KV", "etcdserverpb.KV.Put", "etcdserverpb.PutRequest", "etcdserverpb.PutRequest.lease"],
    ...["etcdserverpb.RequestOp.request", "etcdserverpb.RangeRequest.SortOrder", "etcdserverpb.RangeRequest.ASCEND"],
  ];
  for (const { messageResponse } of await ask(symbols.map(bySymbol)))
    assert.equal(namesOf(messageResponse)[0], "etcdserverpb/kv.proto");
  const [value] = await ask([bySymbol("etcdserverpb.NOSPACE")]);
  assert.equal(namesOf(value?.messageResponse)[0], "etcdserverpb/maintenance.proto");
  const [first] = await ask([bySymbol("mvccpb.KeyValue")]);
  const [name = ""] = namesOf(first?.messageResponse);
  const [same] = await ask([{ $case: "fileByFilename", value: name }]);
  assert.deepEqual(same?.messageResponse, first?.messageResponse);
});

onEachEngine(
  "a request for an unknown file or symbol is answered with not found, and the stream continues",
  async (t, createEngine) => {
    const ask = await setUp(t, createEngine);
    const missing: Asked[] = [
      ...["", "nothing", "etcdserverpb.KV.Nothing", "etcdserverpb.PutRequest.nothing"].map(bySymbol),
      { $case: "fileByFilename", value: "nothing.proto" },
      { $case: "fileContainingExtension", value: { containingType: "etcdserverpb.PutRequest", extensionNumber: 1 } },
      { $case: "allExtensionNumbersOfType", value: "nothing" },
    ];
    const answers = await ask([...missing, { $case: "allExtensionNumbersOfType", value: "etcdserverpb.PutRequest" }]);
    const last = answers.pop();
    assert.equal(answers.length, missing.length);
    for (const { messageResponse } of answers) {
      assert.equal(messageResponse?.$case, "errorResponse");
      assert.equal(messageResponse.value.errorCode, status.NOT_FOUND);
    }
    assert.deepEqual(last?.messageResponse, {
      $case: "allExtensionNumbersResponse",
      value: { baseTypeName: "etcdserverpb.PutRequest", extensionNumber: [] },
    });
  },
);

onEachEngine("an empty request ends its stream with INVALID_ARGUMENT", async (t, createEngine) => {
  const ask = await setUp(t, createEngine);
  await assert.rejects(ask([undefined]), ({ code }: ServiceError) => code === status.INVALID_ARGUMENT);
});

test("a request beyond 100 whose answers are not taken ends its stream, also while the descriptors are loaded", async () => {
  const [method] = reflectionMethods(() => undefined);
  assert.ok(method?.kind === "bidi");
  let sent = 0;
  const untakenStream = {
    send: () => {
      sent += 1;
      return false;
    },
    sendEach: () => assert.fail(),
    setDrainListener: () => undefined,
    endStream: () => undefined,
    fail: (error: unknown) => assert.fail(error as Error),
  };
  const sink = method.open({} as Call, untakenStream);
  const request = { host: "here", messageRequest: bySymbol("etcdserverpb.KV") } as never;
  for (let n = 0; n < 60; n++) sink.onRequest(request);
  await eventually(10_000, "60 answers", () => sent === 60 || undefined);
  for (let n = 0; n < 40; n++) sink.onRequest(request);
  assert.throws(() => sink.onRequest(request), /unanswered/);
});

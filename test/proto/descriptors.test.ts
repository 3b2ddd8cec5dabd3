// The descriptors behind reflection and the JSON gateway.

import assert from "node:assert/strict";
import { test } from "node:test";
import { createFileRegistry, fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import {
  AuthDefinition,
  ClusterDefinition,
  ElectionDefinition,
  fileDescriptorSet,
  HealthDefinition,
  KVDefinition,
  LeaseDefinition,
  LockDefinition,
  MaintenanceDefinition,
  messageTables,
  ServerReflectionDefinition,
  WatchDefinition,
} from "../../proto/index.js";

const set = fromBinary(FileDescriptorSetSchema, Buffer.from(fileDescriptorSet, "base64"));
const registry = createFileRegistry(set);

interface GeneratedMethod {
  readonly name: string;
  readonly requestStream: boolean;
  readonly responseStream: boolean;
}

const generatedKindOf = ({ name, requestStream, responseStream }: GeneratedMethod): string => {
  if (requestStream) return `${name} ${responseStream ? "bidi_streaming" : "client_streaming"}`;
  return `${name} ${responseStream ? "server_streaming" : "unary"}`;
};

test("every service of the generated code is described, with its methods", () => {
  const definitions = [
    KVDefinition,
    WatchDefinition,
    LeaseDefinition,
    ClusterDefinition,
    MaintenanceDefinition,
    AuthDefinition,
    LockDefinition,
    ElectionDefinition,
    HealthDefinition,
    ServerReflectionDefinition,
  ];
  for (const { fullName, methods } of definitions) {
    const described = registry.getService(fullName)?.methods.map(({ name, methodKind }) => `${name} ${methodKind}`);
    assert.deepEqual(described, Object.values(methods).map(generatedKindOf), fullName);
  }
});

test("internal messages and comments are left out", () => {
  assert.equal(registry.getMessage("minietcd.internal.Calls"), undefined);
  assert.ok(set.file.every((file) => file.sourceCodeInfo === undefined && !file.name.startsWith("minietcd/")));
});

test("the tables of messages have what the descriptors of all but gRPC's own services have", () => {
  const { methods, fields, enums } = messageTables();
  for (const each of registry) {
    if (each.kind === "extension" || each.file.name.startsWith("grpc/")) continue;
    if (each.kind === "message")
      assert.deepEqual(
        fields[each.typeName]?.map(([name, jsonName, number]) => ({ name, jsonName, number })),
        each.fields.map(({ name, jsonName, number }) => ({ name, jsonName, number })),
      );
    else if (each.kind === "enum")
      assert.deepEqual(
        enums[each.typeName],
        each.values.map(({ name, number }) => [name, number]),
      );
    else
      for (const { name, input, output } of each.methods)
        assert.deepEqual(methods[`/${each.typeName}/${name}`], [input.typeName, output.typeName]);
  }
  const rows = Object.values(fields).flat();
  for (const [name, , , type, typeName] of rows)
    assert.equal(
      type === "message" ? typeName in fields : type === "enum" ? typeName in enums : typeName === "",
      true,
      name,
    );
});

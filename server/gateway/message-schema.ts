// Names, numbers and types of the fields of etcd's messages, from the descriptors that are generated from its .proto files.

import { createFileRegistry, type DescField, type DescMessage, fromBinary, ScalarType } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { fileDescriptorSet } from "../../proto/index.js";

/** The types of fields that etcd's messages have. */
export type FieldType = "bool" | "int32" | "uint32" | "int64" | "uint64" | "string" | "bytes" | "enum" | "message";

/** A field of a message. */
export interface FieldSchema {
  /** Name as in the .proto file, which answers are written with; requests may also have `jsonName`. */
  readonly name: string;
  readonly jsonName: string;
  readonly number: number;
  readonly type: FieldType;
  readonly isList: boolean;
  /** Full name of the oneof that the field is a member of. */
  readonly oneof: string | undefined;
  /** Returns the type of a message field. */
  readonly message: () => MessageSchema;
  /** Names and numbers of an enum's values. */
  readonly enumNumbers: ReadonlyMap<string, number>;
  readonly enumNames: ReadonlyMap<number, string>;
}

/** A type of messages. */
export interface MessageSchema {
  /** All fields, in the order of the .proto file. */
  readonly fields: readonly FieldSchema[];
  /** The same by both names, and by number. */
  readonly byName: ReadonlyMap<string, FieldSchema>;
  readonly byNumber: ReadonlyMap<number, FieldSchema>;
}

/** The messages that a method takes and gives. */
export interface MethodSchema {
  readonly request: MessageSchema;
  readonly response: MessageSchema;
}

/** Knows the messages of all methods. Making one takes milliseconds, the first time. */
export class Schemas {
  private readonly registry = createFileRegistry(
    fromBinary(FileDescriptorSetSchema, Buffer.from(fileDescriptorSet, "base64")),
  );
  private readonly messages = new Map<string, MessageSchema>();

  /**
   * Finds the messages of a method.
   *
   * @param path `/package.Service/Method`
   */
  ofMethod(path: string): MethodSchema {
    const [, service = "", name] = path.split("/");
    const method = this.registry.getService(service)?.methods.find((each) => each.name === name);
    if (method === undefined) throw new Error(`no method ${path} is described`);
    return { request: this.of(method.input), response: this.of(method.output) };
  }

  private of(description: DescMessage): MessageSchema {
    const known = this.messages.get(description.typeName);
    if (known !== undefined) return known;
    const fields = description.fields.map((field) => this.field(field));
    const schema: MessageSchema = {
      fields,
      byName: new Map(fields.flatMap((field) => [field.jsonName, field.name].map((name) => [name, field] as const))),
      byNumber: new Map(fields.map((field) => [field.number, field])),
    };
    this.messages.set(description.typeName, schema);
    return schema;
  }

  private field(field: DescField): FieldSchema {
    const { name, jsonName, number, oneof } = field;
    const values = field.enum?.values ?? [];
    return {
      name,
      jsonName,
      number,
      type: typeOf(field),
      isList: field.fieldKind === "list",
      oneof: oneof === undefined ? undefined : `${oneof.parent.typeName}.${oneof.name}`,
      // Asked for when it is needed: a transaction contains transactions.
      message: () => {
        if (field.message === undefined) throw new Error(`${name} is no message`);
        return this.of(field.message);
      },
      enumNumbers: new Map(values.map((value) => [value.name, value.number])),
      enumNames: new Map(values.map((value) => [value.number, value.name])),
    };
  }
}

const scalarTypes: Partial<Record<ScalarType, FieldType>> = {
  [ScalarType.BOOL]: "bool",
  [ScalarType.INT32]: "int32",
  [ScalarType.UINT32]: "uint32",
  [ScalarType.INT64]: "int64",
  [ScalarType.UINT64]: "uint64",
  [ScalarType.STRING]: "string",
  [ScalarType.BYTES]: "bytes",
};

const typeOf = (field: DescField): FieldType => {
  if (field.enum !== undefined) return "enum";
  if (field.message !== undefined) return "message";
  const type = field.fieldKind === "map" ? undefined : scalarTypes[field.scalar];
  if (type === undefined) throw new Error(`${field.name} has a type that etcd's messages do not have`);
  return type;
};

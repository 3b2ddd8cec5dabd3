// Names, numbers and types of the fields of etcd's messages, from the descriptors that are generated from its .proto files.

import { type FieldRow, type FieldType, messageTables } from "../../proto/index.js";

/** A field of a message. */
export interface FieldSchema {
  /** The name in the .proto file, used in answers; requests may also use `jsonName`. */
  readonly name: string;
  readonly jsonName: string;
  readonly number: number;
  readonly type: FieldType;
  readonly isList: boolean;
  /** The full name of the oneof that contains the field. */
  readonly oneof: string | undefined;
  /** Returns the type of a message field. */
  readonly message: () => MessageSchema;
  /** Names and numbers of an enum's values. */
  readonly enumNumbers: ReadonlyMap<string, number>;
  readonly enumNames: ReadonlyMap<number, string>;
}

/** A message type. */
export interface MessageSchema {
  /** All fields, in the order of the .proto file. */
  readonly fields: readonly FieldSchema[];
  /** The fields by both names, and by number. */
  readonly byName: ReadonlyMap<string, FieldSchema>;
  readonly byNumber: ReadonlyMap<number, FieldSchema>;
}

/** The request and response message of a method. */
export interface MethodSchema {
  readonly request: MessageSchema;
  readonly response: MessageSchema;
}

/** Finds the messages of methods. Construction takes a millisecond. */
export class Schemas {
  private readonly tables = messageTables();
  private readonly messages = new Map<string, MessageSchema>();

  /**
   * Finds the messages of a method.
   *
   * @param path `/package.Service/Method`
   */
  ofMethod(path: string): MethodSchema {
    const names = this.tables.methods[path];
    if (names === undefined) throw new Error(`no method ${path} is described`);
    const [request, response] = names;
    return { request: this.of(request), response: this.of(response) };
  }

  private of(name: string): MessageSchema {
    const known = this.messages.get(name);
    if (known !== undefined) return known;
    const rows = this.tables.fields[name];
    if (rows === undefined) throw new Error(`no message ${name} is described`);
    const fields = rows.map((row) => this.field(row));
    const schema: MessageSchema = {
      fields,
      byName: new Map(fields.flatMap((field) => [field.jsonName, field.name].map((name) => [name, field] as const))),
      byNumber: new Map(fields.map((field) => [field.number, field])),
    };
    this.messages.set(name, schema);
    return schema;
  }

  private field([name, jsonName, number, type, typeName, isList, oneof]: FieldRow): FieldSchema {
    const values = type === "enum" ? (this.tables.enums[typeName] ?? []) : [];
    return {
      name,
      jsonName,
      number,
      type,
      isList,
      oneof: oneof === "" ? undefined : oneof,
      message: () => this.of(typeName), // looked up on demand: a transaction contains transactions
      enumNumbers: new Map(values),
      enumNames: new Map(values.map(([value, number]) => [number, value])),
    };
  }
}

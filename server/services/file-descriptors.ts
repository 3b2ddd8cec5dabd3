import {
  createFileRegistry,
  type DescEnum,
  type DescExtension,
  type DescFile,
  type DescMessage,
  type DescService,
  fromBinary,
  toBinary,
} from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema, FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { fileDescriptorSet } from "../../proto/index.js";

/** The .proto files of etcd's API, by their names and by the names of their definitions. Construction takes milliseconds. */
export class FileDescriptors {
  private readonly registry = createFileRegistry(
    fromBinary(FileDescriptorSetSchema, Buffer.from(fileDescriptorSet, "base64")),
  );

  /** Lists the full names of all services, sorted. */
  listServices(): string[] {
    return [...this.registry].flatMap((each) => (each.kind === "service" ? [each.typeName] : [])).sort();
  }

  /** Finds a file by the name in import statements. */
  findFile(name: string): DescFile | undefined {
    return this.registry.getFile(name);
  }

  /** Finds the file that defines a message, enumeration, service, method, field, oneof or enumeration's value. */
  fileOf(symbol: string): DescFile | undefined {
    const type = this.registry.get(symbol);
    if (type !== undefined) return type.file;
    const end = symbol.lastIndexOf(".");
    const name = symbol.slice(end + 1);
    const scope = symbol.slice(0, Math.max(0, end));
    const owners = [this.registry.get(scope), ...this.enumsOf(scope)].filter((owner) => owner !== undefined);
    return owners.find((owner) => membersOf(owner).some((member) => member.name === name))?.file;
  }

  /** Returns the enumerations of a package outside its messages: the names of their values are in the package's scope. */
  private enumsOf(scope: string): DescEnum[] {
    return [...this.registry].flatMap((each) =>
      each.kind === "enum" && each.parent === undefined && each.file.proto.package === scope ? [each] : [],
    );
  }

  /** Encodes a file and all its imports, each as a FileDescriptorProto, without repeats. */
  encodeWithImports(file: DescFile): Uint8Array[] {
    const found = new Set<DescFile>();
    const add = (each: DescFile): void => {
      if (found.has(each)) return;
      found.add(each);
      each.dependencies.forEach(add);
    };
    add(file);
    return Array.from(found, ({ proto }) => toBinary(FileDescriptorProtoSchema, proto));
  }

  /** Whether there is such a message. No message has extensions. */
  hasMessage(name: string): boolean {
    return this.registry.getMessage(name) !== undefined;
  }
}

/** Returns the names in the scope of a type. The values of an enumeration belong to the scope of its message. */
const membersOf = (
  type: DescEnum | DescMessage | DescExtension | DescService,
): readonly { readonly name: string }[] => {
  if (type.kind === "service") return type.methods;
  if (type.kind === "enum") return type.parent === undefined ? type.values : [];
  if (type.kind !== "message") return [];
  return [...type.fields, ...type.oneofs, ...type.nestedEnums.flatMap(({ values }) => values)];
};

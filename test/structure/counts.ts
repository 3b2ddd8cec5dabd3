// Counts in source code, with TypeScript's compiler: callbacks, wide option bags, documented names, openers of comments.

import path from "node:path";
import ts from "typescript";
import { kindOfOpener, type OpenerKind } from "./openers.js";

/** A place in the source: `file:line name`. */
export type Place = string;

/** Names of option and listener interfaces, through which an object receives functions of another object. */
const callbackInterface =
  /.(Options|Listener|Listeners|Events|Observer|Callbacks|Hooks|Handlers|Parts|Environment|Owner)$/;
/** Names of interfaces that are passed as one object of named arguments. */
const optionBag = /(Options|Parts|Environment|Settings|Config)$/;
/** Option bags that stay flat, with the reason: docs/architecture.md, "Source metrics". */
const flatBags: Readonly<Record<string, string>> = {
  GetSettings: "users of the client write them in each get; the fields are those of etcd's RangeRequest",
};
/** A larger object of arguments is hard to fill in, and hard to read. */
const maxBagFields = 8;

const placeOf = (file: ts.SourceFile, at: number, text: string): Place =>
  `${path.relative("", file.fileName)}:${file.getLineAndCharacterOfPosition(at).line + 1} ${text}`;

/** An interface, or a type alias of an object type. */
interface Shape {
  readonly name: string;
  readonly isExported: boolean;
  /** The node that has the members. */
  readonly node: ts.Node;
  readonly members: ts.NodeArray<ts.TypeElement>;
}

/** Returns the interfaces, and the type aliases of object types, at the top level of a file. */
const shapesOf = (file: ts.SourceFile): Shape[] =>
  file.statements.flatMap((statement) => {
    if (!ts.isInterfaceDeclaration(statement) && !ts.isTypeAliasDeclaration(statement)) return [];
    const node = ts.isInterfaceDeclaration(statement) ? statement : statement.type;
    if (!ts.isInterfaceDeclaration(node) && !ts.isTypeLiteralNode(node)) return [];
    const isExported = statement.modifiers?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword) === true;
    return [{ name: statement.name.text, isExported, node, members: node.members }];
  });

/**
 * Callbacks: function-typed members of interfaces. A property counts unless its file keeps the interface to itself. Any member
 * counts if its name begins with `on`, or if its interface has the name of an option or listener interface. Interfaces that classes
 * implement and that no object literal satisfies do not count: "go to implementation" finds the callee.
 */
export const callbackMembers = (files: readonly ts.SourceFile[], checker: ts.TypeChecker): Place[] => {
  const { implemented, written, writtenElsewhere } = interfacesInUse(files, checker);
  return files.flatMap((file) =>
    shapesOf(file)
      .filter(({ node }) => !implemented.has(node) || written.has(node))
      .flatMap(({ name, isExported, node, members }) => {
        const isShared = isExported || writtenElsewhere.has(node);
        return members
          .filter((member) => isFunctionTyped(member, checker) && isCallback(member, name, isShared))
          .map((member) => placeOf(file, member.getStart(file), `${name}.${memberName(member)}`));
      }),
  );
};

const memberName = (member: ts.TypeElement): string => member.name?.getText() ?? "()";

const isCallback = (member: ts.TypeElement, name: string, isShared: boolean): boolean =>
  callbackInterface.test(name) || /^on[A-Z]/.test(memberName(member)) || (isShared && ts.isPropertySignature(member));

/** The interfaces that classes implement, and those that object literals satisfy, at least in part. */
interface InterfacesInUse {
  readonly implemented: Set<ts.Node>;
  readonly written: Set<ts.Node>;
  /** Interfaces that a literal in another file satisfies. */
  readonly writtenElsewhere: Set<ts.Node>;
}

const interfacesInUse = (files: readonly ts.SourceFile[], checker: ts.TypeChecker): InterfacesInUse => {
  const found = { implemented: new Set<ts.Node>(), written: new Set<ts.Node>(), writtenElsewhere: new Set<ts.Node>() };
  const ownersOf = (property: ts.Symbol | undefined): ts.Node[] =>
    (property?.declarations ?? []).map(({ parent }) => parent);
  const visit = (node: ts.Node): void => {
    if (ts.isClassLike(node))
      for (const type of implementedTypes(node))
        for (const property of checker.getTypeAtLocation(type).getProperties())
          for (const owner of ownersOf(property)) found.implemented.add(owner);
    if (ts.isObjectLiteralExpression(node))
      for (const owner of contextsOf(node, checker).flatMap(ownersOf)) {
        found.written.add(owner);
        if (owner.getSourceFile() !== node.getSourceFile()) found.writtenElsewhere.add(owner);
      }
    ts.forEachChild(node, visit);
  };
  for (const file of files) visit(file);
  return found;
};

/** Returns the properties that the context of an object literal expects, those that the literal has. */
const contextsOf = (node: ts.ObjectLiteralExpression, checker: ts.TypeChecker): (ts.Symbol | undefined)[] => {
  const context = checker.getContextualType(node);
  const types = context?.isUnion() === true ? context.types : [context];
  return types.flatMap((type) =>
    node.properties.map(({ name }) => (name === undefined ? undefined : type?.getProperty(name.getText()))),
  );
};

const implementedTypes = ({ heritageClauses }: ts.ClassLikeDeclaration): readonly ts.Node[] =>
  heritageClauses?.find(({ token }) => token === ts.SyntaxKind.ImplementsKeyword)?.types ?? [];

const isFunctionTyped = (member: ts.TypeElement, checker: ts.TypeChecker): boolean => {
  if (ts.isMethodSignature(member) || ts.isCallSignatureDeclaration(member)) return true;
  const type = checker.getNonNullableType(checker.getTypeAtLocation(member));
  return ts.isPropertySignature(member) && type.getCallSignatures().length > 0;
};

/** Option bags of more than eight fields, those of the interfaces that they extend included; without `flatBags`. */
export const wideBagsOf = (file: ts.SourceFile, checker: ts.TypeChecker): Place[] =>
  file.statements
    .filter((statement) => ts.isInterfaceDeclaration(statement) || ts.isTypeAliasDeclaration(statement))
    .filter(({ name }) => optionBag.test(name.text) && !(name.text in flatBags))
    .flatMap((statement) => {
      const fields = checker.getTypeAtLocation(statement).getProperties().length;
      return fields > maxBagFields
        ? [placeOf(file, statement.getStart(file), `${statement.name.text}: ${fields} fields`)]
        : [];
    });

/** Returns the exported declarations of a file, without names that it exports from another file. */
export const exportedNamesOf = (file: ts.SourceFile): { all: Place[]; undocumented: Place[] } => {
  const documented = new Map<string, { place: Place; isDocumented: boolean }>();
  for (const statement of file.statements)
    for (const { name, node } of exportsOf(statement)) {
      const isDocumented = hasDocComment(statement) || documented.get(name)?.isDocumented === true; // one documented overload is enough
      documented.set(name, { place: placeOf(file, node.getStart(file), name), isDocumented });
    }
  const names = [...documented.values()];
  return {
    all: names.map(({ place }) => place),
    undocumented: names.filter(({ isDocumented }) => !isDocumented).map(({ place }) => place),
  };
};

const exportsOf = (statement: ts.Statement): { name: string; node: ts.Node }[] => {
  if (!ts.canHaveModifiers(statement)) return [];
  if (ts.getModifiers(statement)?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword) !== true) return [];
  if (ts.isVariableStatement(statement))
    return statement.declarationList.declarations.map((node) => ({ name: node.name.getText(), node }));
  const { name } = statement as ts.DeclarationStatement;
  return name === undefined ? [] : [{ name: name.text, node: statement }];
};

const hasDocComment = (node: ts.Node): boolean =>
  ts.getJSDocCommentsAndTags(node).some((part) => ts.isJSDoc(part) && part.parent === node);

/** Returns the comments that begin with a word of `openers`, by kind: doc comments, and the comment at a file's head. */
export const openersIn = (file: ts.SourceFile): Record<OpenerKind, Place[]> => {
  const found: Record<OpenerKind, Place[]> = { riddles: [], pronouns: [], prepositions: [] };
  for (const [at, text] of commentsOf(file)) {
    const kind = at === 0 || text.startsWith("/**") ? kindOfOpener(text) : undefined;
    if (kind !== undefined) found[kind].push(placeOf(file, at, text.replace(/\s*\n\s*(?:\*(?!\/))?\s*/g, " ")));
  }
  return found;
};

/** Returns the comments before tokens, by position. */
const commentsOf = (file: ts.SourceFile): Map<number, string> => {
  const comments = new Map<number, string>();
  const visit = (node: ts.Node): void => {
    for (const { pos, end } of ts.getLeadingCommentRanges(file.text, node.getFullStart()) ?? [])
      comments.set(pos, file.text.slice(pos, end));
    for (const child of node.getChildren(file)) if (!ts.isJSDoc(child)) visit(child);
  };
  visit(file);
  return comments;
};

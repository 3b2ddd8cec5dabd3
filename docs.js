// `npm run docs [FOLDER]`: writes the reference of the package's doors, from their types and doc comments, into api/ or the folder.
// Fails if a link in a doc comment or a page is broken.

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { Application, Comment, ReflectionKind } from "typedoc";

const folder = process.argv[2] ?? "api";
const { exports: doors } = JSON.parse(readFileSync("package.json", "utf8"));
/** Sources of the doors: `./dist/client/index.js` is built from `client/index.ts`. */
const entryPoints = Object.values(doors).flatMap(
  (door) => door.import?.default.replace("./dist/", "").replace(/\.js$/, ".ts") ?? [],
);

const application = await Application.bootstrap({
  entryPoints,
  name: "minietcd",
  tsconfig: "tsconfig.build.json",
  readme: "docs/entry-points.md",
  projectDocuments: ["client", "testing", "embedding"].map((page) => `docs/${page}.md`),
  excludePrivate: true,
  excludeProtected: true,
  disableSources: true,
  disableGit: true,
  validation: { invalidLink: true, invalidPath: true, notExported: false, notDocumented: false },
});
const project = await application.convert();
if (project === undefined) process.exit(1); // the compiler has printed the reason
describeFlags(project);
application.validate(project);
await application.generateDocs(project, folder);
const broken = findBrokenLinks(folder);
for (const link of broken) console.error(`broken link: ${link}`);
// Warnings of the converter are ignored: destructured parameters have no name for `@param`.
const { validationWarningCount, errorCount } = application.logger;
process.exitCode = validationWarningCount + errorCount + broken.length > 0 ? 1 : 0;

/** Gives each property of an interface of flags the description of its flag in docs/flags.md. */
function describeFlags(project) {
  const rows = readFileSync("docs/flags.md", "utf8").matchAll(/^\| `--([\w-]+)` \|.*\| (\S.*) \|$/gm);
  const effects = new Map([...rows].map(([, name, effect]) => [name.replaceAll("-", ""), `\`--${name}\`: ${effect}`]));
  for (const property of project.getReflectionsByKind(ReflectionKind.Property)) {
    const effect = effects.get(property.name.toLowerCase());
    if (effect !== undefined && property.parent?.name.endsWith("Flags"))
      property.comment ??= new Comment([{ kind: "text", text: effect }]);
  }
}

/** Returns the links of the pages below `root` to missing files, or to missing headings of pages. */
function findBrokenLinks(root) {
  const pages = readdirSync(root, { recursive: true }).filter((name) => name.endsWith(".html"));
  const texts = new Map(pages.map((name) => [join(root, name), readFileSync(join(root, name), "utf8")]));
  return [...texts].flatMap(([page, text]) =>
    [...text.matchAll(/(?:href|src)="([^"#]*)(?:#([^"]*))?"/g)]
      .filter(([, target]) => !/^[a-z]+:/.test(target))
      .filter(([, target, place]) => {
        const file = target === "" ? page : join(dirname(page), decodeURIComponent(target));
        if (!existsSync(file)) return true;
        const there = texts.get(file);
        return (
          place !== undefined &&
          place !== "" &&
          there !== undefined &&
          !there.includes(`id="${decodeURIComponent(place)}"`)
        );
      })
      .map(([link]) => `${page}: ${link}`),
  );
}

// `npm run docs [FOLDER]`: writes the reference of the package's doors, from their types and doc comments, into api/ or the folder.
// Fails if a doc comment or a page links to nothing.

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { Application } from "typedoc";

const folder = process.argv[2] ?? "api";
const { exports: doors } = JSON.parse(readFileSync("package.json", "utf8"));
/** Sources of the doors: what `./dist/client/index.js` is built from is `client/index.ts`. */
const entryPoints = Object.values(doors).flatMap(
  (door) => door.import?.default.replace("./dist/", "").replace(/\.js$/, ".ts") ?? [],
);

const application = await Application.bootstrap({
  entryPoints,
  name: "minietcd",
  tsconfig: "tsconfig.build.json",
  readme: "none",
  excludePrivate: true,
  disableSources: true,
  disableGit: true,
  validation: { invalidLink: true, invalidPath: true, notExported: false, notDocumented: false },
});
const project = await application.convert();
if (project === undefined) process.exit(1); // the compiler has said why
application.validate(project);
await application.generateDocs(project, folder);
const broken = findBrokenLinks(folder);
for (const link of broken) console.error(`broken link: ${link}`);
// Not warnings of the converter: parameters that are a pattern have no name that `@param` could mean.
const { validationWarningCount, errorCount } = application.logger;
process.exitCode = validationWarningCount + errorCount + broken.length > 0 ? 1 : 0;

/** Links of the pages below `root` to files, or to places of pages, that are not there. */
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

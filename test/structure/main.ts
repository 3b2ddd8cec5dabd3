// Prints the numbers of limits.ts, and fails if one is beyond its limit: `node --import tsx test/structure/main.ts [name]`
// lists the places of one number. A step of `npm run check`.

import { isBeyond, limits, type Limit, type Measured } from "./limits.js";
import { measure } from "./measure.js";

/** Number of places that are printed for a value beyond its limit; with a name as argument, all are. */
const maxPlaces = 20;

const names = Object.keys(limits) as Measured[];
const [wanted] = process.argv.slice(2);
if (wanted !== undefined && !names.includes(wanted as Measured)) {
  console.error(`unknown number "${wanted}": choose among ${names.join(", ")}`);
  process.exit(2);
}

const textOf = ({ limit }: Limit): string => ("atMost" in limit ? `<= ${limit.atMost}` : `>= ${limit.atLeast}`);

const measured = measure();
const rows = names.map((name) => {
  const { title, aim } = limits[name];
  return [name, title, String(measured[name].value), textOf(limits[name]), aim];
});
const table = [["name", "number", "now", "limit", "aim"], ...rows];
const widths = [0, 1, 2, 3, 4].map((column) => Math.max(...table.map((row) => row[column]!.length)));
for (const row of table)
  console.log(
    row
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join("  ")
      .trimEnd(),
  );

const failed = names.filter((name) => isBeyond(measured[name].value, limits[name]));
for (const name of failed) {
  const { places } = measured[name];
  console.error(`${name} is beyond its limit:`);
  for (const place of places.slice(0, maxPlaces)) console.error(`  ${place}`);
  if (places.length > maxPlaces)
    console.error(`  … of ${places.length}: node --import tsx test/structure/main.ts ${name}`);
}
if (wanted !== undefined) for (const place of measured[wanted as Measured].places) console.log(place);
process.exitCode = failed.length === 0 ? 0 : 1;

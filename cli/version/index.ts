// The version of this package.

export { packageVersion } from "./package-version.js";

// What the machine and Node give: all other folders may use it, and it uses none of them.

export { causeOf, errorCode } from "./error-codes.js";

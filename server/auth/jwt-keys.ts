// The keys of JSON Web Tokens, read from files.

import { createPrivateKey, createPublicKey, createSecretKey, type KeyObject } from "node:crypto";
import { readFileSync } from "node:fs";
import { asError, errorCode } from "../../platform/index.js";
import { StartError } from "../base/index.js";
import type { JwtMethod, JwtSettings } from "../config/index.js";

/** The keys of one signing method. */
export interface JwtKeys {
  /** Undefined: this member verifies tokens, and issues none. */
  readonly signing: KeyObject | undefined;
  readonly verifying: KeyObject;
}

/** The kind of keys of a method, by the names of Node and etcd; for elliptic curves, with the method's curve. */
interface KeyKind {
  readonly type: "rsa" | "ec" | "ed25519";
  readonly name: string;
  readonly curve?: string;
}

const leastRsaBits = 2048;
const curves: Readonly<Partial<Record<JwtMethod, string>>> = {
  ES256: "prime256v1",
  ES384: "secp384r1",
  ES512: "secp521r1",
};

/** Reads the keys. @throws StartError with etcd's text, and the file */
export const readJwtKeys = ({ method, publicKeyFile, privateKeyFile }: JwtSettings): JwtKeys => {
  const [publicText, privateText] = [readKeyFile(publicKeyFile), readKeyFile(privateKeyFile)];
  if (method.startsWith("HS")) {
    if (privateText === undefined) throw missingKeyError(`${method} needs priv-key`);
    const secret = createSecretKey(privateText);
    return { signing: secret, verifying: secret };
  }
  const kind = kindOf(method);
  const signing = privateText && checkKey(kind, "private", privateKeyFile, () => createPrivateKey(privateText));
  const given = publicText && checkKey(kind, "public", publicKeyFile, () => publicKeyOf(publicText));
  if (signing === undefined) {
    if (given === undefined) throw missingKeyError(`${method} needs priv-key, or pub-key to verify tokens alone`);
    return { signing, verifying: given };
  }
  const verifying = createPublicKey(signing);
  if (given !== undefined && !given.equals(verifying))
    throw new StartError(`auth: public and private keys don't match: ${publicKeyFile ?? ""}, ${privateKeyFile ?? ""}`);
  return { signing, verifying };
};

/** @returns undefined for no file, and for an empty one */
const readKeyFile = (file: string | undefined): Buffer | undefined => {
  if (file === undefined) return undefined;
  try {
    const text = readFileSync(file);
    return text.length === 0 ? undefined : text;
  } catch (error) {
    if (errorCode(error) === undefined) throw error;
    throw new StartError(`auth: invalid auth options: cannot read ${file}: ${asError(error).message}`);
  }
};

const missingKeyError = (reason: string): StartError => new StartError(`auth: missing key data: ${reason}`);

const kindOf = (method: JwtMethod): KeyKind => {
  const curve = curves[method];
  if (curve !== undefined) return { type: "ec", name: "ECDSA", curve };
  return method === "EdDSA" ? { type: "ed25519", name: "Ed25519" } : { type: "rsa", name: "RSA" };
};

/** Parses a public key, or the public key of a certificate. Node would accept a private key, too. */
const publicKeyOf = (text: Buffer): KeyObject => {
  if (text.includes("PRIVATE KEY-----")) throw new Error("this is a private key");
  return createPublicKey(text);
};

const checkKey = (
  { type, name, curve }: KeyKind,
  side: "private" | "public",
  file: string | undefined,
  read: () => KeyObject,
): KeyObject => {
  const refusal = (reason: string): StartError =>
    new StartError(`key is not a valid ${name} ${side} key: ${file ?? ""}: ${reason}`);
  let key;
  try {
    key = read();
  } catch (error) {
    throw refusal(asError(error).message);
  }
  const { asymmetricKeyType, asymmetricKeyDetails: { modulusLength = leastRsaBits, namedCurve } = {} } = key;
  if (asymmetricKeyType !== type) throw refusal(`a key of type ${asymmetricKeyType ?? "secret"}`);
  if (namedCurve !== curve) throw refusal(`the curve is ${namedCurve ?? "none"}, and must be ${curve ?? "none"}`);
  if (modulusLength < leastRsaBits) throw refusal(`${modulusLength} bits, and at least ${leastRsaBits} are needed`);
  return key;
};

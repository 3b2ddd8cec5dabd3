// A DNS server on loopback with a few names: SRV and A records over UDP.
import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import { once } from "node:events";

export interface ServiceRecord {
  /** Empty: the service is not available, by RFC 2782. */
  readonly target: string;
  readonly port: number;
  readonly priority?: number;
  readonly weight?: number;
}

/** Records by name; other names do not exist. */
export interface Zone {
  readonly services?: Readonly<Record<string, readonly ServiceRecord[]>>;
  readonly addresses?: Readonly<Record<string, string>>;
  /** Names whose queries fail. */
  readonly broken?: readonly string[];
}

/** The port that resolvers use by default. */
export const dnsPort = 53;

const types = { a: 1, srv: 33 };
const codes = { ok: 0, serverFailure: 2, noSuchName: 3 };
const headerBytes = 12;
const internet = 1;
const ttlSeconds = 60;

/** `await using server = await DnsServer.start({ … })`. */
export class DnsServer implements AsyncDisposable {
  /** Names that were queried, in order. */
  readonly asked: string[] = [];

  private constructor(
    private readonly socket: Socket,
    private readonly zone: Zone,
  ) {
    socket.on("message", (question, from) => this.answer(question, from));
  }

  /** @param port 0: any free port */
  static async start(zone: Zone, port = 0): Promise<DnsServer> {
    const socket = createSocket("udp4");
    socket.bind(port, "127.0.0.1");
    await once(socket, "listening");
    return new DnsServer(socket, zone);
  }

  /** `127.0.0.1:port`, the form for resolvers. */
  get address(): string {
    return `127.0.0.1:${this.socket.address().port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.socket, "close");
    this.socket.close();
    await closed;
  }

  private answer(question: Buffer, { port, address }: RemoteInfo): void {
    const { name, end } = readName(question);
    const type = question.readUInt16BE(end);
    this.asked.push(name);
    const { code, answers } = this.lookUp(name, type);
    const header = Buffer.alloc(headerBytes);
    question.copy(header, 0, 0, 2); // the id
    header.writeUInt16BE(0x8180 | code, 2); // an answer, recursion wanted and available
    header.writeUInt16BE(1, 4);
    header.writeUInt16BE(answers.length, 6);
    const asked = question.subarray(headerBytes, end + 4);
    this.socket.send(Buffer.concat([header, asked, ...answers.map((data) => record(type, data))]), port, address);
  }

  private lookUp(name: string, type: number): { code: number; answers: readonly Buffer[] } {
    const { services = {}, addresses = {}, broken = [] } = this.zone;
    if (broken.includes(name)) return { code: codes.serverFailure, answers: [] };
    const [found, address] = [services[name], addresses[name]];
    if (found === undefined && address === undefined) return { code: codes.noSuchName, answers: [] };
    if (type === types.srv) return { code: codes.ok, answers: (found ?? []).map(serviceData) };
    const isAddress = type === types.a && address !== undefined;
    return { code: codes.ok, answers: isAddress ? [Buffer.from(address.split(".").map(Number))] : [] };
  }
}

/** Reads the name of the only question in a message. */
function readName(message: Buffer): { name: string; end: number } {
  const labels: string[] = [];
  let at = headerBytes;
  for (let length = message.readUInt8(at); length > 0; length = message.readUInt8(at)) {
    labels.push(message.toString("latin1", at + 1, at + 1 + length));
    at += 1 + length;
  }
  return { name: labels.join(".").toLowerCase(), end: at + 1 };
}

const nameData = (name: string): Buffer =>
  Buffer.concat([
    ...name.split(".").map((label) => Buffer.concat([Buffer.of(label.length), Buffer.from(label, "latin1")])),
    Buffer.of(...(name === "" ? [] : [0])), // the empty name is one empty label
  ]);

function serviceData({ target, port, priority = 0, weight = 0 }: ServiceRecord): Buffer {
  const numbers = Buffer.alloc(6);
  [priority, weight, port].forEach((value, at) => numbers.writeUInt16BE(value, 2 * at));
  return Buffer.concat([numbers, nameData(target)]);
}

/** Returns a record with the name of the question. */
function record(type: number, data: Buffer): Buffer {
  const head = Buffer.alloc(12);
  head.writeUInt16BE(0xc000 | headerBytes, 0); // a pointer to the name
  head.writeUInt16BE(type, 2);
  head.writeUInt16BE(internet, 4);
  head.writeUInt32BE(ttlSeconds, 6);
  head.writeUInt16BE(data.length, 10);
  return Buffer.concat([head, data]);
}

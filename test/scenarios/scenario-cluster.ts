// A cluster whose messages and writes proceed only when a scenario says so.
import { votersOnly } from "../../testing/entries.js";
import type { LogIndex, MemberId, Term } from "../../raft/core/ids.js";
import type { Input, Notice, Outgoing, PeerMessage } from "../../raft/core/types.js";
import { createDisk, Member, write, type Disk } from "../sim/member.js";
import type { Configuration } from "../../raft/core/configuration.js";
import {
  configurationOf,
  configurationText,
  entriesOf,
  entryText,
  messageOf,
  messageText,
  positionText,
  Words,
} from "./message-text.js";
import { toMemberId } from "../../testing/ids.js";

/** A message in flight. */
interface Packet {
  readonly from: MemberId;
  readonly to: MemberId;
  readonly message: PeerMessage;
}

/** Limit of a `settle`: beyond it, the members send messages for ever. */
const maxDeliveries = 10_000;

export class ScenarioCluster {
  /** All ids of the scenario, members or not. */
  private ids: readonly MemberId[] = [];
  /** The configuration that the cluster begins with. */
  private initial: Configuration = votersOnly(1n);
  /** The configuration in the last snapshot. */
  private sentConfiguration: Configuration = this.initial;
  private readonly disks = new Map<MemberId, Disk>();
  private readonly members = new Map<MemberId, Member>();
  private readonly roles = new Map<MemberId, string>();
  /** Members on whose disks a write ends only with `save`. */
  private readonly held = new Set<MemberId>();
  private readonly cuts = new Set<string>();
  private pending: Packet[] = [];
  /** Messages for `late` to deliver. */
  private delayed: Packet[] = [];
  private output: string[] = [];
  /** The value of each member's random source. The defaults increase with the id, so that election timeouts differ. */
  private readonly randoms = new Map<MemberId, number>();
  private isQuiet = false;
  private nextProposal = 1;

  /** Plays one command. Returns the lines that it prints. */
  play(line: string): readonly string[] {
    this.output = [];
    const [command = "", ...args] = line.split(/\s+/);
    const act = this.commands.get(command);
    if (act === undefined) throw new Error(`no such command: ${command}`);
    act(args);
    this.reportRoles();
    return this.output;
  }

  private readonly commands = new Map<string, (args: readonly string[]) => void>([
    ["cluster", (args) => this.makeCluster(args)],
    ["random", ([id, value]) => this.randoms.set(idOf(id), Number(value))],
    ["disk", ([id, ...words]) => this.setDisk(idOf(id), new Words(words))],
    ["crash", ([id, kept]) => this.crash(idOf(id), kept === "keeping")],
    ["restart", ([id]) => this.start(idOf(id))],
    ["hold", ([id]) => this.held.add(idOf(id))],
    ["release", ([id]) => this.release(idOf(id))],
    ["save", ([id]) => this.memberOf(idOf(id)).finishWrite()],
    ["cut", ([from, arrow, to]) => this.cut(idOf(from), arrow, to)],
    ["heal", () => this.cuts.clear()],
    ["opened", ([id, peer]) => this.step(idOf(id), { kind: "linkOpened", peer: idOf(peer) })],
    ["closed", ([id, peer]) => this.step(idOf(id), { kind: "linkClosed", peer: idOf(peer) })],
    ["tick", ([id, times]) => this.repeat(times, () => this.step(idOf(id), { kind: "tick" }))],
    ["ticks", (args) => this.runTicks(args)],
    ["compact", ([id, through]) => this.compact(idOf(id), Number(through) as LogIndex)],
    ["snapshot", ([id, , from, ...words]) => this.receiveSnapshot(idOf(id), idOf(from), new Words(words))],
    ["installed", ([id]) => this.memberOf(idOf(id)).finishInstall()],
    ["ended", ([id, peer]) => this.step(idOf(id), { kind: "snapshotEnded", peer: idOf(peer) })],
    ["transfer", ([id, to]) => this.transfer(idOf(id), to)],
    ["propose", ([id, ...data]) => this.propose(idOf(id), data)],
    ["configure", ([id, members = ""]) => this.configure(idOf(id), configurationOf(members))],
    ["read", ([id, request]) => this.step(idOf(id), { kind: "readIndex", request: Number(request) })],
    [
      "receive",
      ([id, , from, kind = "", ...words]) => this.receive(idOf(id), idOf(from), messageOf(kind, new Words(words))),
    ],
    ["deliver", (args) => this.deliver(this.takePending(args))],
    ["lose", (args) => this.takePending(args)],
    ["delay", (args) => this.delayed.push(...this.takePending(args))],
    ["late", () => this.deliver(this.delayed.splice(0))],
    ["settle", (args) => this.settleAndShow(args)],
    ["show", (args) => this.show(args)],
    ["log", (args) => this.showLogs(args)],
    ["members", (args) => this.showMembers(args)],
    ["messages", () => this.pending.forEach((packet) => this.print(packetText(packet)))],
  ]);

  private print(line: string): void {
    this.output.push(line);
  }

  private memberOf(id: MemberId): Member {
    const member = this.members.get(id);
    if (member === undefined) throw new Error(`member ${id} is not running`);
    return member;
  }

  private idsOf(args: readonly string[]): readonly MemberId[] {
    return args.length > 0 ? args.map(idOf) : this.ids;
  }

  private repeat(times: string | undefined, act: () => void): void {
    for (let i = 0; i < Number(times ?? 1); i++) act();
  }

  // Members and disks.

  private makeCluster([size, ...words]: readonly string[]): void {
    for (const state of [this.disks, this.members, this.roles, this.randoms, this.held, this.cuts]) state.clear();
    this.pending = [];
    const spares = new Words(words).number("spares");
    this.ids = Array.from({ length: Number(size) + spares }, (_, i) => toMemberId(BigInt(i + 1)));
    this.initial = votersOnly(...this.ids.slice(0, Number(size)));
    for (const id of this.ids) {
      this.disks.set(id, this.newDisk());
      this.start(id);
    }
    const leader = new Words(words).text("leader");
    if (leader === undefined) return;
    this.runQuietly(() => {
      const first = this.memberOf(idOf(leader));
      while (first.core.status().role !== "leader") {
        first.step({ kind: "tick" });
        this.settle();
      }
    });
    this.output = []; // the election is not part of the scenario's output
  }

  private start(id: MemberId): void {
    let isFirst = true;
    // The first draw of a start is the number of its first forwarded read: with 0, outputs are easy to read.
    const random = (): number => {
      const value = isFirst ? 0 : (this.randoms.get(id) ?? Number(id - 1n) / 10);
      isFirst = false;
      return value;
    };
    const member = new Member({
      id,
      disk: this.disks.get(id) ?? this.newDisk(),
      random,
      send: (outgoing) => this.send(id, outgoing),
      onReadState: ({ request, index }) => this.print(`${id} may answer read ${request} once ${index} is applied`),
      configurationAt: () => this.sentConfiguration,
      onInstall: (position) => this.print(`${id} installs the snapshot at ${positionText(position)}`),
      onNotice: (notice) => this.print(`${id} ${noticeText(notice)}`),
      onRefusal: ({ kind, number, reason }) => this.print(`${id} refuses ${kind} ${number}: ${reason}`),
    });
    this.members.set(id, member);
    this.roles.set(id, member.core.status().role);
    member.pump();
    this.turnDisk(member);
  }

  private newDisk(): Disk {
    return createDisk(this.initial);
  }

  private setDisk(id: MemberId, words: Words): void {
    const disk = this.newDisk();
    const term = words.number("term") as Term;
    disk.hardState = {
      term,
      vote: toMemberId(BigInt(words.number("vote"))),
      commit: words.number("commit") as LogIndex,
    };
    disk.base = disk.stateMachine = { ...words.position("base"), configuration: disk.base.configuration };
    disk.entries = entriesOf(words.text("log") ?? "none");
    this.disks.set(id, disk);
    this.start(id);
  }

  private crash(id: MemberId, isWriteKept: boolean): void {
    const { writing, disk } = this.memberOf(id);
    if (isWriteKept && writing !== undefined) write(disk, writing);
    this.members.delete(id);
    this.pending = this.pending.filter(({ from, to }) => from !== id && to !== id);
  }

  private turnDisk(member: Member): void {
    if (this.held.has(member.id)) return;
    member.finishInstall();
    while (member.writing !== undefined) member.finishWrite();
  }

  private release(id: MemberId): void {
    this.held.delete(id);
    this.turnDisk(this.memberOf(id));
  }

  // Steps.

  private step(id: MemberId, input: Input): void {
    const member = this.memberOf(id);
    member.step(input);
    this.turnDisk(member);
  }

  /** Makes the state machine durable, so that the log up to `through` can be compacted. */
  private compact(id: MemberId, through: LogIndex): void {
    const member = this.memberOf(id);
    member.disk.stateMachine = member.lastApplied;
    member.compact(through);
  }

  /** Plays `snapshot 3 from 1 term=2 at=5/2`. The snapshot has the initial configuration, or `members={1,2,3+4}`. */
  private receiveSnapshot(id: MemberId, from: MemberId, words: Words): void {
    const members = words.text("members");
    this.sentConfiguration = members === undefined ? this.initial : configurationOf(members);
    const leaderTerm = words.number("term") as Term;
    this.step(id, { kind: "snapshotReceived", from, leaderTerm, position: words.position("at") });
  }

  /** Plays `transfer 1 3`, or `transfer 1`, in which member 1 picks the transferee. */
  private transfer(id: MemberId, to: string | undefined): void {
    this.step(id, { kind: "transferLeadership", to: to === undefined ? undefined : idOf(to) });
  }

  private propose(id: MemberId, data: readonly string[]): void {
    for (const text of data)
      this.step(id, { kind: "propose", proposal: this.nextProposal++, data: new TextEncoder().encode(text) });
  }

  private configure(id: MemberId, configuration: Configuration): void {
    this.step(id, { kind: "proposeConfiguration", proposal: this.nextProposal++, configuration });
  }

  private receive(id: MemberId, from: MemberId, message: PeerMessage): void {
    this.step(id, { kind: "receive", from, message });
  }

  /** Plays `ticks 30` for all members, or `ticks 2,3 30` for two of them. All messages arrive after each tick. */
  private runTicks(args: readonly string[]): void {
    const [who, times] = args.length > 1 ? args : [undefined, args[0]];
    const ids = who === undefined ? this.ids : who.split(",").map(idOf);
    this.runQuietly(() =>
      this.repeat(times, () => {
        for (const id of ids) if (this.members.has(id)) this.step(id, { kind: "tick" });
        this.settle();
      }),
    );
  }

  // Messages.

  private send(from: MemberId, { to, message }: Outgoing): void {
    const isCut = this.cuts.has(`${from}>${to}`) || !this.members.has(to);
    if (!isCut) this.pending.push({ from, to, message });
    if (!this.isQuiet) this.print(packetText({ from, to, message }) + (isCut ? " (lost)" : ""));
  }

  /** Plays `cut 3`: all links of member 3; `cut 1 > 2`: one direction; `cut 1 - 2`: both directions. */
  private cut(id: MemberId, arrow: string | undefined, other: string | undefined): void {
    for (const peer of other === undefined ? this.ids : [idOf(other)]) {
      this.cuts.add(`${id}>${peer}`);
      if (arrow !== ">") this.cuts.add(`${peer}>${id}`);
    }
    this.pending = this.pending.filter(({ from, to }) => !this.cuts.has(`${from}>${to}`));
  }

  /** Plays `1 > 2 append`: takes the messages in flight from 1 to 2 of one kind; words may be omitted from the right. */
  private takePending([from, , to, kind]: readonly string[]): readonly Packet[] {
    const isMeant = (packet: Packet): boolean =>
      (from === undefined || packet.from === idOf(from)) &&
      (to === undefined || packet.to === idOf(to)) &&
      (kind === undefined || packet.message.kind === kind);
    const taken = this.pending.filter(isMeant);
    this.pending = this.pending.filter((packet) => !isMeant(packet));
    return taken;
  }

  private deliver(packets: readonly Packet[]): void {
    for (const { from, to, message } of packets) if (this.members.has(to)) this.receive(to, from, message);
  }

  private runQuietly(act: () => void): void {
    this.isQuiet = true;
    act();
    this.isQuiet = false;
  }

  private settle(): void {
    for (let i = 0; this.pending.length > 0; i++) {
      if (i > maxDeliveries) throw new Error("messages without end");
      this.deliver(this.pending.splice(0, 1));
      this.reportRoles();
    }
  }

  private settleAndShow(args: readonly string[]): void {
    this.runQuietly(() => this.settle());
    this.reportRoles();
    this.show(args);
  }

  // Output.

  private reportRoles(): void {
    for (const [id, { core }] of this.members) {
      const { role, term } = core.status();
      if (this.roles.get(id) === role) continue;
      this.roles.set(id, role);
      this.print(`${id} becomes ${role}, term ${term}`);
    }
  }

  private show(args: readonly string[]): void {
    for (const id of this.idsOf(args)) {
      const status = this.members.get(id)?.core.status();
      if (status === undefined) {
        this.print(`${id} down`);
        continue;
      }
      const { role, term, lastIndex, commit, savedIndex, leader } = status;
      const saved = savedIndex === lastIndex ? "" : ` saved=${savedIndex}`;
      const follows = role === "leader" ? "" : ` leader=${leader === 0n ? "none" : leader}`;
      this.print(`${id} ${role.padEnd(8)} term=${term} last=${lastIndex}${saved} commit=${commit}${follows}`);
    }
  }

  /** Prints the configuration in force at members: voters, then learners. */
  private showMembers(args: readonly string[]): void {
    for (const id of this.idsOf(args))
      this.print(`${id} ${configurationText(this.memberOf(id).core.status().configuration)}`);
  }

  /** Shows what a member has on disk, and which entries it has applied. */
  private showLogs(args: readonly string[]): void {
    for (const id of this.idsOf(args)) {
      const { hardState, base, entries } = this.disks.get(id) ?? this.newDisk();
      const applied = this.members.get(id)?.lastApplied.index ?? 0;
      const after = base.index > 0 ? `after ${positionText(base)} ` : "";
      const listed = after + (entries.map(entryText).join(" ") || "nothing");
      this.print(`${id} term=${hardState.term} vote=${hardState.vote} applied=${applied} disk: ${listed}`);
    }
  }
}

const idOf = (text: string | undefined): MemberId => {
  if (text === undefined) throw new Error("a member is missing");
  return toMemberId(BigInt(text));
};

const noticeText = (notice: Notice): string => {
  switch (notice.kind) {
    case "snapshotNeeded":
      return `sends a snapshot to ${notice.peer}`;
    case "snapshotRefused":
      return `refuses the snapshot at ${positionText(notice.position)}`;
    case "transferEnded":
      return notice.ok ? "transfer succeeded" : "transfer failed";
  }
};

const packetText = ({ from, to, message }: Packet): string => `${from}→${to} ${messageText(message)}`;

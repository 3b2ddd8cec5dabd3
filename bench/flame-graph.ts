// Flame graphs of CPU profiles, each one HTML page without a library.

import { escapeHtml, scriptJson } from "./page.js";

/** The part of Node's CPU profiles (`.cpuprofile`) that is used here. */
export interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
    readonly children?: readonly number[];
  }[];
  /** The ids of the sampled nodes. */
  readonly samples: readonly number[];
  /** The microseconds between each sample and the one before. */
  readonly timeDeltas: readonly number[];
}

/** A function on a stack, with the functions that it has called. */
export interface Flame {
  readonly name: string;
  /** The microseconds in the function and in those that it has called. */
  readonly micros: number;
  readonly children: readonly Flame[];
}

/** The name of the profile's node for a waiting thread. */
const idle = "(idle)";
/** The least part of the whole time that is drawn: smaller parts would be narrower than a pixel. */
const minShare = 1 / 2_000;

/** Adds up the samples of a profile, without the idle time. */
export const flameOf = ({ nodes, samples, timeDeltas }: CpuProfile): Flame => {
  const own = new Map<number, number>();
  for (const [n, id] of samples.entries()) own.set(id, (own.get(id) ?? 0) + (timeDeltas[n] ?? 0));
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const build = (id: number): Flame => {
    const node = byId.get(id);
    const called = (node?.children ?? []).filter((child) => byId.get(child)?.callFrame.functionName !== idle);
    const children = mergeByName(called.map(build));
    const micros = children.reduce((sum, child) => sum + child.micros, own.get(id) ?? 0);
    return { name: node === undefined ? "" : nameOf(node.callFrame), micros, children };
  };
  return build(nodes[0]?.id ?? 0);
};

/** Merges the calls of the same function from different lines. */
const mergeByName = (flames: readonly Flame[]): Flame[] => {
  const groups = new Map<string, Flame[]>();
  for (const flame of flames) groups.set(flame.name, [...(groups.get(flame.name) ?? []), flame]);
  return [...groups].map(([name, group]) => ({
    name,
    micros: group.reduce((sum, { micros }) => sum + micros, 0),
    children: group.length === 1 ? (group[0]?.children ?? []) : mergeByName(group.flatMap(({ children }) => children)),
  }));
};

const nameOf = ({ functionName, url, lineNumber }: CpuProfile["nodes"][number]["callFrame"]): string => {
  const file = url.split("/").slice(-2).join("/");
  return `${functionName === "" ? "(anonymous)" : functionName}${file === "" ? "" : ` ${file}:${lineNumber + 1}`}`;
};

/** Removes the parts that are too small to be drawn. */
export const prune = (flame: Flame, least = flame.micros * minShare): Flame => ({
  ...flame,
  children: flame.children
    .filter(({ micros }) => micros >= least)
    .map((child) => prune(child, least))
    .sort((a, b) => b.micros - a.micros),
});

/** Returns the HTML page. A click on a function enlarges it and its calls to the whole width; a click on the lowest one goes back. */
export const flamePage = (title: string, flame: Flame): string => `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>${escapeHtml(title)}</title><style>
body { font: 12px sans-serif; margin: 1em } #graph { position: relative }
#graph div { position: absolute; height: 17px; overflow: hidden; white-space: nowrap; box-sizing: border-box;
  border: 1px solid #fff; padding-left: 2px; cursor: pointer }
</style></head><body><h1>${escapeHtml(title)}</h1>
<p>Width is CPU time of the main thread. Click a function to enlarge it, the lowest one to go back.</p><div id="graph"></div>
<script>
const all = ${scriptJson(prune(flame))};
const graph = document.getElementById("graph");
function show(root) {
  graph.replaceChildren();
  let depth = 0;
  const draw = (flame, left, width, level, parent) => {
    if (width < 0.05) return;
    depth = Math.max(depth, level);
    const box = document.createElement("div");
    const share = (flame.micros / all.micros * 100).toFixed(1);
    box.textContent = flame.name;
    box.title = flame.name + ": " + (flame.micros / 1000).toFixed(1) + " ms, " + share + " %";
    const hue = [...flame.name].reduce((sum, c) => (sum * 31 + c.charCodeAt(0)) % 60, 7);
    box.style.cssText = "left:" + left + "%;width:" + width + "%;top:" + level * 17 + "px;background:hsl(" + hue + " 85% 70%)";
    box.onclick = () => show(flame === root ? all : flame);
    graph.append(box);
    let at = left;
    for (const child of flame.children) {
      const part = width * child.micros / flame.micros;
      draw(child, at, part, level + 1);
      at += part;
    }
  };
  draw(root, 0, 100, 0);
  graph.style.height = (depth + 1) * 17 + "px";
}
show(all);
</script></body></html>
`;

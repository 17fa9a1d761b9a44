import { join } from "node:path";
import {
  entryPoints,
  finish,
  inProject,
  readDenoJson,
  ROOT,
  taskText,
} from "./project.ts";

interface ModuleInfo {
  specifier: string;
  error?: string;
  dependencies?: Dependency[];
}

interface Dependency {
  code?: { specifier?: string };
  type?: { specifier?: string };
}

/** Files to the files they import; types count as imports. */
export type ImportGraph = ReadonlyMap<string, readonly string[]>;

/** Finds import cycles; each is a list that ends where it begins. */
export function findCycles(graph: ImportGraph): string[][] {
  const cycles: string[][] = [];
  const done = new Set<string>();

  function visit(file: string, path: readonly string[]): void {
    const seenAt = path.indexOf(file);
    if (seenAt !== -1) cycles.push([...path.slice(seenAt), file]);
    if (seenAt !== -1 || done.has(file)) return;
    for (const next of graph.get(file) ?? []) visit(next, [...path, file]);
    done.add(file);
  }

  for (const file of graph.keys()) visit(file, []);
  return cycles;
}

async function readGraph(): Promise<ImportGraph> {
  const graph = new Map<string, string[]>();
  for (const entry of (await entryPoints()).values()) {
    const { modules } = await readDenoJson<{ modules: ModuleInfo[] }>(
      "info",
      "--json",
      entry,
    );
    for (const { specifier, error, dependencies = [] } of modules) {
      if (error !== undefined) throw new Error(error);
      const targets = dependencies
        .flatMap(({ code, type }) => [code?.specifier, type?.specifier])
        .filter((target) => target !== undefined)
        .filter(isOwn).map(inProject);
      if (isOwn(specifier)) {
        graph.set(inProject(specifier), [...new Set(targets)]);
      }
    }
  }
  return graph;
}

function isOwn(specifier: string): boolean {
  return specifier.startsWith("file:") && !inProject(specifier).startsWith("/");
}

/** Files of `src/` that no entry point leads to and no task runs. */
async function findUnused(graph: ImportGraph): Promise<string[]> {
  const tasks = await taskText();
  const unused: string[] = [];
  // A file that is used after all has to leave the list.
  const isLedTo = (file: string) => graph.has(file) || tasks.includes(file);
  async function walk(directory: string): Promise<void> {
    for await (const { name, isDirectory } of Deno.readDir(directory)) {
      const path = join(directory, name);
      const file = inProject(path);
      if (isDirectory) await walk(path);
      else if (!isLedTo(file)) unused.push(file);
    }
  }
  await walk(join(ROOT, "src"));
  return unused.sort();
}

if (import.meta.main) {
  const graph = await readGraph();
  const cycles = findCycles(graph).map((cycle) =>
    `Import cycle: ${cycle.join(" -> ")}`
  );
  const unused = (await findUnused(graph)).map((file) =>
    `No entry point leads to ${file}`
  );
  finish([...cycles, ...unused], `${graph.size} files, no import cycle`);
}

import { assert, assertEquals } from "@std/assert";
import { dependencyOrder } from "../../src/unit_of_work/dependency_order.ts";
import { seeded, testSeed } from "../support/random.ts";

/** What depends on what, by name. */
type Graph = Readonly<Record<string, readonly string[]>>;

function order(graph: Graph): string[][] {
  return dependencyOrder(Object.keys(graph), (node) => graph[node] ?? []);
}

Deno.test("dependencyOrder() puts what is referred to first", () => {
  assertEquals(
    order({
      lines: ["orders", "products"],
      orders: ["customers"],
      customers: [],
      products: [],
    }),
    [["customers"], ["orders"], ["products"], ["lines"]],
  );
});

Deno.test("dependencyOrder() keeps the order of what is independent", () => {
  assertEquals(order({ c: [], a: [], b: [] }), [["c"], ["a"], ["b"]]);
});

Deno.test("dependencyOrder() groups what refers to each other", () => {
  const groups = order({
    own: ["own"],
    a: ["b"],
    b: ["c"],
    c: ["a", "d"],
    d: [],
    e: ["b"],
  });
  assertEquals(groups.map((group) => group.toSorted()), [
    ["own"],
    ["d"],
    ["a", "b", "c"],
    ["e"],
  ]);
});

Deno.test("dependencyOrder() leaves out what is not asked for", () => {
  assertEquals(order({ lines: ["orders"] }), [["lines"]]);
});

Deno.test("dependencyOrder() bears a chain of 100,000 rows", () => {
  const rows = Array.from({ length: 100_000 }, (_, at) => at);
  const groups = dependencyOrder(rows, (at) => at > 0 ? [at - 1] : []);
  assertEquals(groups.length, rows.length);
  const back = dependencyOrder(
    rows,
    (at) => at + 1 < rows.length ? [at + 1] : [],
  );
  assertEquals(back[0], [99_999]);
});

Deno.test("dependencyOrder() holds for any graph", () => {
  const random = seeded(testSeed());
  for (let round = 0; round < 500; round++) {
    const size = 1 + random(8);
    const nodes = Array.from({ length: size }, (_, at) => at);
    const edges = nodes.map(() =>
      Array.from({ length: random(3) }, () => random(size))
    );
    const groups = dependencyOrder(nodes, (node) => edges[node] ?? []);
    assertEquals(groups.flat().toSorted(), nodes);
    const place = new Map(
      groups.flatMap((group, at) => group.map((node) => [node, at] as const)),
    );
    const reach = (from: number, seen = new Set<number>()): Set<number> => {
      for (const next of edges[from] ?? []) {
        if (!seen.has(next)) reach(next, seen.add(next));
      }
      return seen;
    };
    for (const node of nodes) {
      for (const other of reach(node)) {
        const [here = 0, there = 0] = [place.get(node), place.get(other)];
        // In one group exactly if each is reached from the other.
        assert(reach(other).has(node) ? here === there : here > there);
      }
    }
  }
});

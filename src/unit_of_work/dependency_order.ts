/** What the walk knows of a node. */
interface Visit<Node> {
  readonly node: Node;
  readonly order: number;
  readonly dependencies: Iterator<Node>;
  /** The earliest node that can be reached, as far as it is known. */
  lowest: number;
  isDone: boolean;
}

/**
 * Orders nodes so that each comes behind all that it depends on: tables by
 * their foreign keys, or rows of a table that refers to itself.
 *
 * Nodes that depend on each other share a group. Within these bounds the order
 * of the input is kept. (Tarjan's strongly connected components, without
 * recursion: a list of 100,000 rows may be one chain.)
 *
 * @typeParam Node Compared by identity.
 * @param nodes What to order.
 * @param dependenciesOf What a node depends on; those that are not among
 * `nodes` are left out.
 * @returns The groups; one of several nodes is a cycle.
 */
export function dependencyOrder<Node>(
  nodes: Iterable<Node>,
  dependenciesOf: (node: Node) => Iterable<Node>,
): Node[][] {
  const all = new Set(nodes);
  const visits = new Map<Node, Visit<Node>>();
  const groups: Node[][] = [];
  const open: Visit<Node>[] = [];

  function visit(node: Node): Visit<Node> {
    const order = visits.size;
    const dependencies = dependenciesOf(node)[Symbol.iterator]();
    const made = { node, order, dependencies, lowest: order, isDone: false };
    visits.set(node, made);
    open.push(made);
    return made;
  }

  /** Takes a group off: all that were opened since its first node. */
  function close(first: Visit<Node>): void {
    const members = open.splice(open.lastIndexOf(first));
    for (const member of members) member.isDone = true;
    groups.push(members.map(({ node }) => node));
  }

  for (const start of all) {
    if (visits.has(start)) continue;
    const path = [visit(start)];
    for (let current = path.at(-1); current; current = path.at(-1)) {
      const { value: dependency, done } = current.dependencies.next();
      if (done) {
        path.pop();
        const around = path.at(-1);
        if (around) around.lowest = Math.min(around.lowest, current.lowest);
        if (current.lowest === current.order) close(current);
        continue;
      }
      if (!all.has(dependency)) continue;
      const known = visits.get(dependency);
      if (known === undefined) path.push(visit(dependency));
      else if (!known.isDone) {
        current.lowest = Math.min(current.lowest, known.order);
      }
    }
  }
  return groups;
}

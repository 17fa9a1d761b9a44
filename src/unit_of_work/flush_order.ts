import {
  type Dependencies,
  type Dependency,
  DependencyFinder,
  sharesStatement,
} from "./_dependencies.ts";
import { cycleError } from "./_refusals.ts";
import type { Change } from "./change_set.ts";
import { dependencyOrder } from "./dependency_order.ts";
import type { ColumnInfo, TableInfo } from "./table_info.ts";

/** A change and its place: those of equal places may share a statement. */
export interface PlacedChange {
  /** The change. */
  readonly change: Change;
  /** Compared first: the place of its table and kind. */
  readonly slot: number;
  /** Compared next: how many it waits for in that slot, one behind the other. */
  readonly step: number;
}

/**
 * Puts the changes of a flush in an order in which no constraint is violated
 * on the way.
 *
 * Tables come in the order of their foreign keys, and per table updates come
 * before inserts; deletes come last, children first. Where rows depend on each
 * other beyond that (a table that refers to itself, tables that refer to each
 * other, a unique value that one row gives up and another one takes) each row
 * is put behind those that it waits for; a removed row that stands in the way
 * of a value goes first. Rows that refer to each other are written with NULL
 * and updated in a second step.
 *
 * @param changes What is to be done.
 * @returns All changes, and those of second steps, in no order.
 * @throws {StateError} When rows wait for each other and nothing can be NULL.
 */
export function placeChanges(changes: readonly Change[]): PlacedChange[] {
  const finder = new DependencyFinder(changes);
  const dependencies = finder.find();
  const all = dependencies.size === 0
    ? [...changes]
    : withoutCycles(changes, dependencies);
  const slots = slotsOf(finder.tables, earlyDeletes(dependencies));
  if (dependencies.size === 0) {
    return all.map((change) => ({ change, slot: slots(change), step: 0 }));
  }
  const placed = new Map<Change, PlacedChange>();
  const order = dependencyOrder(
    all,
    (change) => targetsOf(dependencies, change),
  );
  // Those of a group share a statement: cycles of any other kind are broken.
  for (const group of order) {
    const place = { slot: -Infinity, step: 0 };
    for (const change of group) {
      goBehind(place, { slot: slots(change), step: 0 });
      for (const dependency of dependencies.get(change) ?? []) {
        const before = placed.get(dependency.on);
        if (before === undefined) continue;
        const { slot, step } = before;
        const isShared = sharesStatement(change, dependency);
        goBehind(place, { slot, step: isShared ? step : step + 1 });
      }
    }
    for (const change of group) placed.set(change, { change, ...place });
  }
  return [...placed.values()];
}

/** Where a change goes. */
type Place = { slot: number; step: number };

/** Moves a place to another one, unless it is behind that already. */
function goBehind(place: Place, { slot, step }: Place): void {
  if (slot > place.slot) [place.slot, place.step] = [slot, step];
  else if (slot === place.slot) place.step = Math.max(place.step, step);
}

function targetsOf(
  dependencies: Dependencies,
  change: Change,
): readonly Change[] {
  return dependencies.get(change)?.map(({ on }) => on) ?? [];
}

/** Removed rows that somebody waits for, and the removed rows they wait for. */
function earlyDeletes(dependencies: Dependencies): ReadonlySet<Change> {
  const early = new Set<Change>();
  const waiting = [...dependencies]
    .filter(([{ kind }]) => kind !== "delete")
    .flatMap(([, list]) => list.map(({ on }) => on));
  for (let next = waiting.pop(); next; next = waiting.pop()) {
    if (next.kind !== "delete" || early.has(next)) continue;
    early.add(next);
    waiting.push(...targetsOf(dependencies, next));
  }
  return early;
}

/** Where each change goes that waits for nothing. */
function slotsOf(
  tables: Iterable<TableInfo>,
  early: ReadonlySet<Change>,
): (change: Change) => number {
  const order = dependencyOrder(
    tables,
    ({ foreignKeys }) => foreignKeys.map(({ target }) => target()),
  ).flat();
  const ranks = new Map(order.map((table, rank) => [table, rank + 1]));
  return (change) => {
    const rank = ranks.get(change.entry.table) ?? 0;
    switch (change.kind) {
      case "update":
        return 2 * rank;
      case "insert":
        return 2 * rank + 1;
      default:
        return early.has(change) ? -rank : 4 * order.length + 2 - rank;
    }
  };
}

/** Breaks every circle at a column that may be NULL. */
function withoutCycles(
  changes: readonly Change[],
  dependencies: Dependencies,
): Change[] {
  const all = new Set(changes);
  for (;;) {
    const cycles = dependencyOrder(
      all,
      (change) => targetsOf(dependencies, change),
    ).map((group) => new Set(group)).filter((group) =>
      group.size > 1 &&
      inside(group, dependencies).some(({ change, dependency }) =>
        !sharesStatement(change, dependency)
      )
    );
    if (cycles.length === 0) return [...all];
    for (const cycle of cycles) breakCycle(cycle, all, dependencies);
  }
}

/** What changes of a group wait for within it. */
function inside(
  group: ReadonlySet<Change>,
  dependencies: Dependencies,
): { change: Change; dependency: Dependency }[] {
  return [...group].flatMap((change) =>
    (dependencies.get(change) ?? [])
      .filter(({ on }) => group.has(on))
      .map((dependency) => ({ change, dependency }))
  );
}

/** Leaves a foreign key of one row NULL for a while. */
function breakCycle(
  cycle: ReadonlySet<Change>,
  all: Set<Change>,
  dependencies: Dependencies,
): void {
  const links = inside(cycle, dependencies);
  const weak = links.find(({ dependency: { foreignKey } }) =>
    foreignKey?.some(({ notNull }) => !notNull)
  );
  if (weak === undefined) {
    const unique = links.find(({ dependency: { constraint } }) =>
      constraint.startsWith("unique")
    ) ?? links[0];
    const { table } = [...cycle][0]?.entry ?? { table: { name: "" } };
    throw cycleError(
      `rows of "${table.name}" wait for each other by ${unique?.dependency.constraint}`,
      [...cycle].map(({ entry }) =>
        entry.entity
      ),
    );
  }
  const { change, dependency } = weak;
  const columns = dependency.foreignKey?.filter(({ notNull }) => !notNull) ??
    [];
  const steps = change.kind === "insert"
    ? insertInTwo(change, columns)
    : deleteInTwo(dependency.on, columns);
  replace(all, dependencies, steps);
}

/** A change in two steps. */
interface TwoSteps {
  readonly from: Change;
  /** Takes its place. */
  readonly to: Change;
  /** The update before or behind it. */
  readonly update: Change;
  readonly columns: readonly ColumnInfo[];
}

/** Inserts with NULL; the value comes with an update. */
function insertInTwo(
  from: Change,
  columns: readonly ColumnInfo[],
): TwoSteps {
  const later = from.columns.filter((column) => columns.includes(column));
  const values = from.columns.map((column, at) =>
    columns.includes(column) ? null : from.values[at]
  );
  const update: Change = {
    kind: "update",
    entry: from.entry,
    columns: later,
    values: later.map((column) => from.values[from.columns.indexOf(column)]),
    expressions: undefined,
    isVersioned: false,
  };
  return { from, to: { ...from, values }, update, columns };
}

/** Takes the reference away before the row goes. */
function deleteInTwo(
  from: Change,
  columns: readonly ColumnInfo[],
): TwoSteps {
  const { entry, isVersioned } = from;
  const update: Change = {
    kind: "update",
    entry,
    columns,
    values: columns.map(() => null),
    expressions: undefined,
    isVersioned,
  };
  // The update has found it as it was loaded.
  return { from, to: { ...from, isVersioned: false }, update, columns };
}

function replace(
  all: Set<Change>,
  dependencies: Dependencies,
  { from, to, update, columns }: TwoSteps,
): void {
  all.delete(from);
  all.add(to).add(update);
  const concerns = ({ foreignKey }: Dependency) =>
    foreignKey?.some((column) => columns.includes(column)) ?? false;
  const second = {
    constraint: "its row",
    foreignKey: undefined,
    mayShare: false,
  };
  const own = dependencies.get(from) ?? [];
  dependencies.delete(from);
  for (const [change, list] of dependencies) {
    dependencies.set(
      change,
      list.map((dependency) => {
        if (dependency.on !== from) return dependency;
        // The row referred to may go as soon as nothing refers to it.
        return from.kind === "delete" && concerns(dependency)
          ? { ...dependency, ...second, on: update }
          : { ...dependency, on: to };
      }),
    );
  }
  if (from.kind === "insert") {
    dependencies.set(to, own.filter((dependency) => !concerns(dependency)));
    dependencies.set(update, [
      ...own.filter(concerns).map((each) => ({
        ...each,
        foreignKey: undefined,
      })),
      { ...second, on: to },
    ]);
  } else {
    dependencies.set(to, [...own, { ...second, on: update }]);
  }
}

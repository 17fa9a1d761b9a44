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

/** Where a change goes: those of equal places may share a statement. */
export interface Place {
  /** Compared first: the place of its table and kind. */
  readonly slot: number;
  /** Compared next: how many it waits for in that slot, one behind the other. */
  readonly step: number;
}

/** Changes, in no order, and where they go. */
export interface Placement {
  /** All changes, and those of second steps. */
  readonly changes: readonly Change[];
  /** Where one goes. */
  readonly placeOf: (change: Change) => Place;
}

/**
 * Puts the changes of a flush in an order in which no constraint is violated
 * on the way.
 *
 * Tables come in the order of their foreign keys, and else in that in which all
 * sessions lock their rows; per table updates come before inserts; deletes come
 * last, children first. Where rows depend on each other beyond that (a table
 * that refers to itself, tables that refer to each other, a unique value that
 * one row gives up and another one takes) each row is put behind those that it
 * waits for; a removed row that stands in the way of a value goes first. Rows
 * that refer to each other are written with NULL and updated in a second step.
 *
 * @param changes What is to be done.
 * @returns All changes, and where they go.
 * @throws {StateError} When rows wait for each other and nothing can be NULL.
 */
export function placeChanges(changes: readonly Change[]): Placement {
  const finder = new DependencyFinder(changes);
  const dependencies = finder.find();
  if (dependencies.size === 0) {
    return { changes, placeOf: firstPlaces(finder.tables, new Set()) };
  }
  const all = withoutCycles(changes, dependencies);
  const firstPlace = firstPlaces(finder.tables, earlyDeletes(dependencies));
  const placed = new Map<Change, Place>();
  const order = dependencyOrder(
    all,
    (change) => targetsOf(dependencies, change),
  );
  // Those of a group share a statement: cycles of any other kind are broken.
  for (const group of order) {
    const place = { slot: -Infinity, step: 0 };
    for (const change of group) {
      goBehind(place, firstPlace(change));
      for (const dependency of dependencies.get(change) ?? []) {
        const before = placed.get(dependency.on);
        if (before === undefined) continue;
        const { slot, step } = before;
        const isShared = sharesStatement(change, dependency);
        goBehind(place, { slot, step: isShared ? step : step + 1 });
      }
    }
    for (const change of group) placed.set(change, place);
  }
  const placeOf = (change: Change) => placed.get(change) ?? firstPlace(change);
  return { changes: [...placed.keys()], placeOf };
}

/** A place that is yet to be found. */
type Moving = { -readonly [Key in keyof Place]: Place[Key] };

/** Moves a place to another one, unless it is behind that already. */
function goBehind(place: Moving, { slot, step }: Place): void {
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
function firstPlaces(
  tables: Iterable<TableInfo>,
  early: ReadonlySet<Change>,
): (change: Change) => Place {
  const order = dependencyOrder(
    tables,
    ({ foreignKeys }) => foreignKeys.map(({ target }) => target()),
  ).flat();
  const at = (slot: number): Place => ({ slot, step: 0 });
  const places = new Map(order.map((table, index) => {
    const rank = index + 1;
    return [table, {
      early: at(-rank),
      update: at(2 * rank),
      insert: at(2 * rank + 1),
      delete: at(4 * order.length + 2 - rank),
    }];
  }));
  return (change) => {
    const { entry: { table }, kind } = change;
    const ofTable = places.get(table);
    return ofTable?.[early.has(change) ? "early" : kind] ?? at(0);
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
  const late = links.find(({ dependency }) => isDivisible(dependency));
  if (weak === undefined && late !== undefined) {
    return replace(all, dependencies, updateInTwo(late.dependency));
  }
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

/** Whether something else in an update than what is waited for can follow. */
function isDivisible({ on, leaves }: Dependency): boolean {
  const { primaryKey } = on.entry.table;
  return leaves !== undefined &&
    on.columns.some((column) => !leaves.includes(column)) &&
    !leaves.some((column) => primaryKey.includes(column));
}

/** A change in two steps: the second comes behind the first. */
interface TwoSteps {
  readonly from: Change;
  readonly first: Change;
  readonly second: Change;
  /** Whether the first one has to come behind what the change came behind. */
  readonly isOfFirst: (own: Dependency) => boolean;
  /** Whether who came behind the change has to come behind the first only. */
  readonly followsFirst: (other: Dependency) => boolean;
}

/** Inserts with NULL; the value comes with an update. */
function insertInTwo(
  from: Change,
  columns: readonly ColumnInfo[],
): TwoSteps {
  const values = from.columns.map((column, at) =>
    columns.includes(column) ? null : from.values[at]
  );
  const second: Change = {
    ...partOf(from, (column) => columns.includes(column)),
    kind: "update",
    expressions: undefined,
    conflict: undefined,
    isVersioned: false,
  };
  return {
    from,
    first: { ...from, values },
    second,
    isOfFirst: (own) => !isAbout(own, columns),
    followsFirst: () => true,
  };
}

/** Takes the reference away before the row goes. */
function deleteInTwo(
  from: Change,
  columns: readonly ColumnInfo[],
): TwoSteps {
  const first: Change = {
    ...from,
    kind: "update",
    columns,
    values: columns.map(() => null),
  };
  return {
    from,
    first,
    // The update has found it as it was loaded.
    second: { ...from, isVersioned: false },
    isOfFirst: () => false,
    // The row referred to may go as soon as nothing refers to it.
    followsFirst: (other) => isAbout(other, columns),
  };
}

/** Leaves a row, and writes the rest when that is gone. */
function updateInTwo(
  { on: from, leaves = [], constraint }: Dependency,
): TwoSteps {
  return {
    from,
    first: {
      ...partOf(from, (column) => leaves.includes(column)),
      expressions: undefined,
    },
    second: {
      ...partOf(from, (column) => !leaves.includes(column)),
      // The first one has found it as it was loaded.
      isVersioned: false,
    },
    isOfFirst: (own) => own.constraint === constraint,
    followsFirst: (other) =>
      other.leaves !== undefined && other.constraint === constraint,
  };
}

/** Some columns of a change. */
function partOf(
  change: Change,
  isPart: (column: ColumnInfo) => boolean,
): Change {
  const columns = change.columns.filter(isPart);
  const values = columns.map((column) =>
    change.values[change.columns.indexOf(column)]
  );
  return { ...change, columns, values };
}

function isAbout(
  { foreignKey }: Dependency,
  columns: readonly ColumnInfo[],
): boolean {
  return foreignKey?.some((column) => columns.includes(column)) ?? false;
}

/** Puts two steps in the place of a change. */
function replace(
  all: Set<Change>,
  dependencies: Dependencies,
  { from, first, second, isOfFirst, followsFirst }: TwoSteps,
): void {
  all.delete(from);
  all.add(first).add(second);
  const own = dependencies.get(from) ?? [];
  dependencies.delete(from);
  for (const [change, list] of dependencies) {
    dependencies.set(
      change,
      list.map((other) =>
        other.on === from
          ? behind(other, followsFirst(other) ? first : second)
          : other
      ),
    );
  }
  dependencies.set(first, own.filter(isOfFirst));
  dependencies.set(second, [
    ...own.filter((each) => !isOfFirst(each)).map((each) =>
      // What an update writes is no NULL any more.
      second.kind === "update" ? { ...each, foreignKey: undefined } : each
    ),
    behind({ constraint: "its row" }, first),
  ]);
}

/** A dependency on a step: one that is an update is waited for in any case. */
function behind(
  { foreignKey, mayShare = false, ...other }:
    & Pick<Dependency, "constraint">
    & Partial<Dependency>,
  on: Change,
): Dependency {
  return on.kind === "update"
    ? { ...other, foreignKey: undefined, mayShare: false, on }
    : { ...other, foreignKey, mayShare, on };
}

import { is, Many, normalizeRelation, One, type Relation } from "drizzle-orm";
import { type PgColumn, PgTable } from "drizzle-orm/pg-core";
import { checkArgument } from "../errors/check_argument.ts";
import type { Entity } from "../unit_of_work/entry.ts";
import { ref } from "../unit_of_work/ref.ts";
import type { RelationalConfig } from "./session_shape.ts";
import { keyIn } from "./table_info.ts";

/** Values by property, of whatever table. */
export type AnyValues = Readonly<Record<string, unknown>>;

/** What nested rows are added with. */
export interface NestedParts {
  /** Knows the relations. */
  readonly relational: RelationalConfig | undefined;
  /** Whether a row of a relation is an entity already: it is only referred to. */
  readonly isEntity: (
    row: object,
    table: PgTable,
    relation: string,
  ) => boolean;
  /** Adds one row. */
  readonly add: (table: PgTable, values: AnyValues) => Entity;
}

/**
 * Adds a row and the related rows inside it, along Drizzle's `relations()`:
 * those that it refers to before it, those that refer to it behind it.
 *
 * @param table The table.
 * @param values Its columns, and related rows by relation.
 * @param parts What they are added with.
 * @param addOwn Adds the row itself, where that is not done as for the others.
 * @returns The entity; those of related rows are in it.
 */
export function addNested(
  table: PgTable,
  values: AnyValues,
  parts: NestedParts,
  addOwn: NestedParts["add"] = parts.add,
): Entity {
  const relations = relationsOf(table, values, parts.relational);
  if (relations.length === 0) return addOwn(table, values);
  const own: Record<string, unknown> = { ...values };
  const related: Record<string, unknown> = {};
  for (const { key } of relations) delete own[key];
  const given = relations.filter(({ key }) =>
    values[key] !== undefined && values[key] !== null
  );
  for (const { key, relation, links } of given) {
    if (!isOwning(relation)) continue;
    const row = rowOf(values[key], key);
    const target = parts.isEntity(row, tableOf(relation), key)
      ? row
      : addNested(tableOf(relation), row, parts);
    for (const [column, referenced] of links) {
      const targetKey = keyIn(tableOf(relation), referenced);
      own[keyIn(table, column)] = ref(target)[targetKey];
    }
    related[key] = target;
  }
  const entity = addOwn(table, own);
  for (const { key, relation, links } of given) {
    if (isOwning(relation)) continue;
    const value = values[key];
    const rows = is(relation, Many) ? listOf(value, key) : [value];
    const targets = rows.map((row) => {
      if (parts.isEntity(rowOf(row, key), tableOf(relation), key)) {
        throw new TypeError(
          `Cannot add "${key}": it is an entity already; set its foreign key`,
        );
      }
      const child: Record<string, unknown> = { ...rowOf(row, key) };
      for (const [column, referencing] of links) {
        child[keyIn(tableOf(relation), referencing)] =
          ref(entity)[keyIn(table, column)];
      }
      return addNested(tableOf(relation), child, parts);
    });
    related[key] = is(relation, Many) ? targets : targets[0];
  }
  return Object.assign(entity, related);
}

/** A relation that rows were given for. */
interface GivenRelation {
  readonly key: string;
  readonly relation: Relation;
  /** Columns of this table, and what they are linked to. */
  readonly links: readonly (readonly [PgColumn, PgColumn])[];
}

function relationsOf(
  table: PgTable,
  values: AnyValues,
  relational: RelationalConfig | undefined,
): readonly GivenRelation[] {
  // Most rows give nothing else.
  if (relational === undefined || hasColumnsOnly(table, values)) return NONE;
  const { fullSchema, schema, tableNamesMap } = relational;
  const config = Object.values(schema).find(({ tsName }) =>
    fullSchema[tsName] === table
  );
  return Object.entries(config?.relations ?? {}).flatMap(([key, relation]) => {
    if (!(key in values)) return [];
    const { fields, references } = normalizeRelation(
      schema,
      tableNamesMap,
      relation,
    );
    const links = fields.flatMap((field, at) => {
      const reference = references[at];
      // Relations of PostgreSQL tables link their columns.
      return reference === undefined
        ? []
        : [[field as PgColumn, reference as PgColumn] as const];
    });
    return [{ key, relation, links }];
  });
}

const NONE: readonly GivenRelation[] = [];

/** A table has its columns as properties. */
function hasColumnsOnly(table: PgTable, values: AnyValues): boolean {
  for (const key in values) {
    if (!Object.hasOwn(table, key)) return false;
  }
  return true;
}

/** Whether this side has the foreign key. */
function isOwning(relation: Relation): boolean {
  return is(relation, One) && relation.config !== undefined;
}

function tableOf({ referencedTable }: Relation): PgTable {
  if (is(referencedTable, PgTable)) return referencedTable;
  throw new TypeError(
    "Cannot add related rows: their table is none of pgTable()",
  );
}

function rowOf(value: unknown, key: string): AnyValues {
  // It may be an entity, which is known by its identity.
  checkArgument(isRow(value), `add "${key}"`, "an object of columns");
  return value;
}

function isRow(value: unknown): value is AnyValues {
  return typeof value === "object" && value !== null;
}

function listOf(value: unknown, key: string): readonly unknown[] {
  checkArgument(Array.isArray(value), `add "${key}"`, "a list of rows");
  return value;
}

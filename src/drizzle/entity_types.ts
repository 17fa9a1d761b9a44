import type {
  ExtractTablesWithRelations,
  Many,
  One,
  SQL,
  TableRelationalConfig,
} from "drizzle-orm";
import type { PgColumn, PgTable } from "drizzle-orm/pg-core";
import type { Ref } from "../unit_of_work/ref.ts";
import type { LockOptions } from "../unit_of_work/select_statement.ts";

/** A table that Drizzle's `pgTable()` has made. */
export type EntityTable = PgTable;

/** A column of such a table. */
export type TableColumn = PgColumn;

/** SQL of Drizzle's, as its operators make it. */
export type SqlInput = SQL;

/**
 * An entity of a table: what a select of it gives.
 *
 * @typeParam T The table.
 */
export type EntityOf<T extends EntityTable> = T["$inferSelect"];

/**
 * What may be given for a column: its value, SQL, or what stands for the value
 * of another entity.
 *
 * @typeParam Value The column's type.
 */
export type ColumnInput<Value> =
  | Value
  | SqlInput
  | Ref<Exclude<Value, undefined>>;

/**
 * What `add` takes: what Drizzle's `insert().values()` does, and references.
 *
 * @typeParam T The table.
 */
export type InsertValues<T extends EntityTable> = {
  [Key in keyof T["$inferInsert"]]: ColumnInput<T["$inferInsert"][Key]>;
};

/**
 * How `add` treats a row that is there already.
 *
 * @typeParam T The table.
 */
export interface AddOptions<T extends EntityTable> {
  /**
   * What becomes of a row that is there already: it is updated (an upsert).
   * Without it the database refuses the new one.
   *
   * @default {nothing}
   */
  readonly onConflict?: OnConflict<T>;
}

/**
 * By what a row is known that is there already, and what it gets.
 *
 * @typeParam T The table.
 */
export interface OnConflict<T extends EntityTable> {
  /**
   * The columns of a unique constraint, or of the primary key. Where a trigger
   * changes them, the table needs `keys: "trigger"` (`mapTable`).
   */
  readonly target: TableColumn | readonly TableColumn[];
  /**
   * What the row gets, by property: values, and SQL in which `excluded` is the
   * row that was to be added.
   *
   * @default {what was given, but the target and the primary key}
   */
  readonly set?: {
    readonly [Key in keyof T["$inferInsert"]]?:
      | T["$inferInsert"][Key]
      | SqlInput;
  };
}

/**
 * Properties of the primary key, where it is one column.
 *
 * @internal
 */
type KeyColumn<Columns> = {
  [Key in keyof Columns]: Columns[Key] extends {
    readonly _: { readonly isPrimaryKey: true };
  } ? Key
    : never;
}[keyof Columns];

/**
 * What `get` takes: the value of the key column, or an object of the columns of
 * a composite key.
 *
 * @typeParam T The table.
 */
export type KeyOf<T extends EntityTable> =
  [KeyColumn<T["_"]["columns"]>] extends [never]
    ? Readonly<Partial<T["$inferSelect"]>>
    : T["$inferSelect"][
      & KeyColumn<T["_"]["columns"]>
      & keyof T["$inferSelect"]
    ];

/**
 * What Drizzle has derived of a table.
 *
 * @internal
 */
type ConfigOf<Schema extends Record<string, unknown>, T extends EntityTable> =
  Extract<
    ExtractTablesWithRelations<Schema>[
      keyof ExtractTablesWithRelations<Schema>
    ],
    TableRelationalConfig & { dbName: T["_"]["name"] }
  >;

/**
 * Relations of a table, by property; none where the schema has none.
 *
 * @internal
 */
type RelationsOf<
  Schema extends Record<string, unknown>,
  T extends EntityTable,
> = [ConfigOf<Schema, T>] extends [never] ? Record<never, never>
  : string extends keyof ConfigOf<Schema, T>["relations"] ? Record<never, never>
  : ConfigOf<Schema, T>["relations"];

/**
 * The table of a schema that has a name.
 *
 * @internal
 */
type TableNamed<Schema extends Record<string, unknown>, Name> = Extract<
  Schema[keyof Schema],
  PgTable & { _: { name: Name } }
>;

/**
 * Values of related rows. The columns that the relation gives may be left out,
 * so all may: what is missing is told when they are added.
 *
 * @internal
 */
type RelatedValues<Schema extends Record<string, unknown>, T> = T extends
  PgTable ? Partial<AddValues<Schema, T>> : never;

/**
 * Related rows that `add` takes, along Drizzle's `relations()`.
 *
 * @typeParam Schema The schema of the session.
 * @typeParam T The table.
 */
export type NestedValues<
  Schema extends Record<string, unknown>,
  T extends EntityTable,
> = {
  readonly [Key in keyof RelationsOf<Schema, T>]?: RelatedInput<
    Schema,
    RelationsOf<Schema, T>[Key]
  >;
};

/**
 * Values of the rows of a relation.
 *
 * @internal
 */
type RelatedInput<Schema extends Record<string, unknown>, Relation> =
  Relation extends Many<infer Name>
    ? readonly RelatedValues<Schema, TableNamed<Schema, Name>>[]
    : Relation extends One<infer Name> ?
        | RelatedValues<Schema, TableNamed<Schema, Name>>
        | EntityOf<TableNamed<Schema, Name>>
    : never;

/**
 * Relations to one row.
 *
 * @internal
 */
type OneRelations<
  Schema extends Record<string, unknown>,
  T extends EntityTable,
> = {
  [Key in keyof RelationsOf<Schema, T>]: RelationsOf<Schema, T>[Key] extends
    One<string> ? Key : never;
}[keyof RelationsOf<Schema, T>];

/**
 * What `add` takes, with related rows. Where a row is given that this one
 * refers to, the columns that the relation gives may be left out: the types do
 * not know which, so what is missing is told when it is added.
 *
 * @typeParam Schema The schema of the session.
 * @typeParam T The table.
 */
export type AddValues<
  Schema extends Record<string, unknown>,
  T extends EntityTable,
> =
  | InsertValues<T> & NestedValues<Schema, T>
  | {
    [Key in OneRelations<Schema, T>]:
      & Partial<InsertValues<T>>
      & Omit<NestedValues<Schema, T>, Key>
      & {
        readonly [Given in Key]: RelatedInput<
          Schema,
          RelationsOf<Schema, T>[Given]
        >;
      };
  }[OneRelations<Schema, T>];

/**
 * The entities that `add` has made of related rows.
 *
 * @typeParam Schema The schema of the session.
 * @typeParam T The table.
 * @typeParam Values What was given.
 */
export type NestedEntities<
  Schema extends Record<string, unknown>,
  T extends EntityTable,
  Values,
> = {
  [Key in keyof RelationsOf<Schema, T> & keyof Values]: RelatedEntities<
    Schema,
    RelationsOf<Schema, T>[Key],
    Values[Key]
  >;
};

/**
 * Entities of the rows of a relation, with those inside of them.
 *
 * @internal
 */
type RelatedEntities<
  Schema extends Record<string, unknown>,
  Relation,
  Values,
> = Relation extends Many<infer Name> ? RelatedEntity<
    Schema,
    TableNamed<Schema, Name>,
    Values extends readonly (infer Row)[] ? Row : never
  >[]
  : Relation extends One<infer Name>
    ? RelatedEntity<Schema, TableNamed<Schema, Name>, Values>
  : never;

/**
 * The entity of a related row.
 *
 * @internal
 */
type RelatedEntity<Schema extends Record<string, unknown>, T, Values> =
  T extends EntityTable ? EntityOf<T> & NestedEntities<Schema, T, Values>
    : never;

/** Refuses properties that are none of a type. */
export type Exactly<Values, Allowed> =
  & Values
  & {
    readonly [Key in Exclude<keyof Values, keyof Allowed>]: never;
  };

/** How strong a lock is, or that and more. */
export type Lock = LockOptions["strength"] | LockOptions;

/** How `get` reads. */
export interface GetOptions {
  /**
   * Locks the row until the transaction ends; the database is always asked.
   *
   * @default {none}
   */
  readonly lock?: Lock;
}

/** How `find` reads. */
export interface FindOptions extends GetOptions {
  /**
   * What the rows are ordered by, such as `desc(users.age)`.
   *
   * @default {no order}
   */
  readonly orderBy?:
    | TableColumn
    | SqlInput
    | readonly (TableColumn | SqlInput)[];
  /**
   * How many rows at most.
   *
   * @default {all}
   */
  readonly limit?: number;
  /**
   * How many rows are skipped.
   *
   * @default {0}
   */
  readonly offset?: number;
}

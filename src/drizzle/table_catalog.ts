import { is } from "drizzle-orm";
import { getTableConfig, type PgDialect, PgTable } from "drizzle-orm/pg-core";
import { baseName } from "./_internals.ts";
import { PURE_FUNCTIONS } from "../session/pure_functions.ts";
import { namedTables } from "../session/named_tables.ts";
import {
  ANY_TABLE,
  type StatementTables,
} from "../session/statement_tables.ts";
import { KnownEntities } from "../unit_of_work/known_entities.ts";
import type { TableInfo } from "../unit_of_work/table_info.ts";
import type { QueryMetadata } from "./statement_access.ts";
import type { MappedTable } from "./map_table.ts";
import { type TableInfoReader, tableInfoReader } from "./table_info.ts";

/** How many queries are remembered; SQL that somebody makes up has no end. */
const MANY = 1_000;

/**
 * What a sessionmaker knows of tables.
 *
 * @internal
 */
export class TableCatalog {
  /** The entities of all sessions, for messages. */
  readonly known: KnownEntities = new KnownEntities();
  /** What queries name, by their SQL: it is the same each time. */
  readonly #named = new Map<string, ReadonlySet<string>>();
  readonly #isPure: (name: string) => boolean;
  readonly #read: TableInfoReader;
  readonly #names = new Set<string>();
  /** As Drizzle's metadata has them, without the prefix of a table creator. */
  readonly #baseNames = new Map<string, Set<string>>();

  /**
   * @param dialect Knows how keys become names.
   * @param schema Tables, among others.
   * @param mapped How the unit of work treats some of them.
   * @param pureFunctions Functions of the user's that do nothing but compute.
   */
  constructor(
    dialect: PgDialect,
    schema: Readonly<Record<string, unknown>>,
    mapped: readonly MappedTable[],
    pureFunctions: ReadonlySet<string>,
  ) {
    const isPure = (name: string) =>
      PURE_FUNCTIONS.has(name) || pureFunctions.has(name);
    this.#isPure = isPure;
    this.#read = tableInfoReader(
      dialect,
      new Map(mapped.map(({ table, mapping }) => [table, mapping])),
    );
    for (const each of Object.values(schema)) {
      if (is(each, PgTable)) this.read(each);
    }
  }

  /**
   * A table as data.
   *
   * @param table The table.
   * @throws {TypeError} When it is none.
   */
  read(table: PgTable): TableInfo {
    const info = this.#read(table);
    if (this.#names.has(info.name)) return info;
    this.#names.add(info.name);
    const { schema } = getTableConfig(table);
    const base = baseName(table);
    const name = schema === undefined ? base : `${schema}.${base}`;
    const present = this.#baseNames.get(name) ?? new Set();
    this.#baseNames.set(name, present.add(info.name));
    return info;
  }

  /**
   * The tables that a compiled query is about.
   *
   * @param text Its SQL.
   * @param metadata What Drizzle tells of it.
   * @param options Whether it is known to only read.
   */
  tablesOf(
    text: string,
    metadata: QueryMetadata | undefined,
    { isSelect }: { readonly isSelect: boolean },
  ): StatementTables {
    if (isSelect) {
      const isTable = (name: string) =>
        this.#names.has(name) || (metadata?.tables.includes(name) ?? false);
      const names = this.#named.get(text) ??
        namedTables(text, isTable, this.#isPure);
      if (names !== undefined) this.#named.set(text, names);
      if (this.#named.size > MANY) this.#named.clear();
      return { isRead: true, names };
    }
    // A delete may cascade to any other table, and a select with a CTE that
    // writes does not say where.
    const isTold = metadata?.type === "insert" || metadata?.type === "update";
    return isTold
      ? {
        isRead: false,
        names: new Set(
          metadata.tables.flatMap((name) => [
            name,
            ...this.#baseNames.get(name) ?? [],
          ]),
        ),
      }
      : ANY_TABLE;
  }
}

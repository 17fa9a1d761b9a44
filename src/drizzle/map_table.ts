import { getTableColumns, getTableName, is } from "drizzle-orm";
import { type PgColumn, PgTable } from "drizzle-orm/pg-core";
import {
  checkOptionNames,
  type OptionNames,
} from "../errors/check_option_names.ts";
import { StateError } from "../errors/state_error.ts";
import type { EntityTable, TableColumn } from "./entity_types.ts";
import { type TableMapping, XMIN } from "../unit_of_work/table_info.ts";

/** How the unit of work treats a table. */
export interface MapTableOptions {
  /**
   * What tells whether a row is as it was loaded: a number column, which every
   * update counts up; or `"xmin"`, PostgreSQL's own, which needs no column.
   * An update or delete of a row that somebody else has changed meanwhile is a
   * `StaleDataError`.
   *
   * @default {none: the last one to commit wins}
   */
  readonly version?: TableColumn | "xmin";
  /**
   * Which columns an insert or update reads back: all, those that the database
   * makes, or none, for a role that may insert and not select.
   *
   * @default {"all"}
   */
  readonly readBack?: "all" | "generated" | "none";
  /**
   * `"trigger"` where a trigger makes the primary key, or a sequence that was
   * altered by hand to count downwards or to cycle: each row is then a
   * statement of its own, in the same flight.
   *
   * @default {the schema's word}
   */
  readonly keys?: "trigger";
  /**
   * Names of constraints that PostgreSQL checks at the commit (`deferrable
   * initially deferred`): they put nothing in order.
   *
   * @default {none}
   */
  readonly deferrable?: readonly string[];
}

const MAP_TABLE_OPTIONS: OptionNames<MapTableOptions> = {
  version: true,
  readBack: true,
  keys: true,
  deferrable: true,
};

/** A table, and how the unit of work treats it. */
export interface MappedTable {
  /** The table. */
  readonly table: EntityTable;
  /** How it is treated. */
  readonly mapping: TableMapping;
}

/**
 * Says how the unit of work treats a table; give it to `sessionmaker`.
 *
 * @example The second of two writers hears of the first
 * ```ts
 * import { createEngine, mapTable, sessionmaker, StaleDataError } from "@nullpool/db";
 * import { pglite } from "@nullpool/db/pglite";
 * import { integer, pgTable } from "drizzle-orm/pg-core";
 * import { assertRejects } from "@std/assert";
 *
 * const seats = pgTable("seats", {
 *   id: integer().primaryKey(),
 *   free: integer().notNull(),
 * });
 * await using engine = createEngine(pglite());
 * const Session = sessionmaker(engine, {
 *   tables: [mapTable(seats, { version: "xmin" })],
 * });
 * await Session.begin(async (db) => {
 *   await db.execute("create table seats (id int primary key, free int not null)");
 *   db.add(seats, { id: 1, free: 2 });
 * });
 * await using db = Session();
 * const seat = await db.get(seats, 1);
 * await db.commit();
 * await Session.begin((other) => other.execute("update seats set free = 1"));
 * if (seat) seat.free--;
 * await assertRejects(() => db.commit(), StaleDataError);
 * ```
 *
 * @param table The table.
 * @param options How it is treated.
 * @throws {TypeError} When the version is no number column of the table.
 * @throws {StateError} When a view is to be versioned.
 */
export function mapTable(
  table: EntityTable,
  options: MapTableOptions,
): MappedTable {
  checkOptionNames("mapTable()", options, MAP_TABLE_OPTIONS);
  const { version, readBack = "all", keys, deferrable = [] } = options;
  if (!is(table, PgTable)) {
    if (version === undefined) {
      throw new TypeError("Cannot map: expected a table made by pgTable()");
    }
    throw new StateError(
      "VERSION_UNSUPPORTED",
      "Cannot map a view: it has no version; map the table behind it",
    );
  }
  return {
    table,
    mapping: {
      version: version === undefined ? undefined : versionKey(table, version),
      readBack,
      hasTriggerKeys: keys === "trigger",
      deferrable: new Set(deferrable),
    },
  };
}

function versionKey(table: PgTable, version: PgColumn | "xmin"): string {
  if (version === XMIN) return XMIN;
  const found = Object.entries<PgColumn>(getTableColumns(table))
    .find(([, column]) => column === version);
  const isNumber = version.dataType === "number" ||
    version.dataType === "bigint";
  if (found !== undefined && isNumber) return found[0];
  throw new TypeError(
    `Cannot map "${
      getTableName(table)
    }": its version is a number column of its own, or "xmin"`,
  );
}

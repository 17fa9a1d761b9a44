import type { KeyReference } from "./key_reference.ts";
import type { KeptValue } from "./kept_value.ts";
import type { Ref } from "./ref.ts";
import type { SqlExpression } from "./sql_expression.ts";
import type { TableInfo } from "./table_info.ts";
import type { Upsert } from "./conflict.ts";

/** An entity as its user sees it: a plain object, by property. */
export type Entity = Record<string, unknown>;

/**
 * Where an entity stands. `new`: to be inserted. `stored`: there is a row, or
 * its INSERT is on the way. `removed`: to be deleted. `gone`: deleted, or
 * forgotten.
 */
export type EntryState = "new" | "stored" | "removed" | "gone";

/** What a session knows of one entity. */
export interface Entry {
  /** The entity. */
  readonly entity: Entity;
  /** Its table. */
  readonly table: TableInfo;
  /** Whether the session has made it, and not loaded. */
  readonly isAdded: boolean;
  /** Where it stands. */
  state: EntryState;
  /** What the identity map has it under; none before its key is known. */
  key: string | undefined;
  /**
   * What its row has, by column, and behind them its `xmin`; a `new` one has
   * none. It is replaced by each change, so that a rollback can bring it back;
   * only the answer to the statement that wrote it fills it in.
   */
  row: KeptValue[];
  /** Whether it was forgotten for good. */
  isExpunged: boolean;
  /** Where the undo log has it last. */
  notedAt: number;
  /** How many statements that write it are not answered yet. */
  awaited: number;
  /** What the entity of a `removed` one held then: it must not change any more. */
  last: KeptValue[] | undefined;
  /** When a flush has last written it: what was asked for before is older. */
  writtenAt: number;
  /** The transaction that has read it: values are those of one transaction. */
  readIn: number;
  /** By property: what stands for a value that another row will have. */
  readonly refs: Map<string, Ref<unknown>> | undefined;
  /** By property: values that the database computes. */
  readonly expressions: ReadonlyMap<string, SqlExpression> | undefined;
  /** What a row gets that is there already, where one may be. */
  readonly upsert: Upsert | undefined;
  /** By property: where later statements find what the database makes. */
  published: ReadonlyMap<string, KeyReference> | undefined;
}

/** What a new entry has in place of a row; there may be many. */
const NO_ROW: KeptValue[] = [];

/**
 * Makes an entry.
 *
 * @param table The table.
 * @param entity The entity.
 * @param state Where it stands.
 * @param given What stands for values that are not known yet.
 */
export function newEntry(
  table: TableInfo,
  entity: Entity,
  state: EntryState,
  given: Partial<Pick<Entry, "refs" | "expressions" | "upsert">> = {},
): Entry {
  return {
    entity,
    table,
    isAdded: state === "new",
    state,
    key: undefined,
    row: NO_ROW,
    isExpunged: false,
    notedAt: -1,
    awaited: 0,
    last: undefined,
    writtenAt: -1,
    readIn: -1,
    refs: given.refs,
    expressions: given.expressions,
    upsert: given.upsert,
    published: undefined,
  };
}

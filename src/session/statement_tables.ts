/** Which tables a statement is about, by name. */
export interface StatementTables {
  /** Whether it only reads them. */
  readonly isRead: boolean;
  /** None where nobody can tell. */
  readonly names: ReadonlySet<string> | undefined;
}

/** A statement of which nothing is known. */
export const ANY_TABLE: StatementTables = { isRead: false, names: undefined };

/** One that reads no table, such as FETCH. */
export const NO_TABLE: StatementTables = { isRead: true, names: new Set() };

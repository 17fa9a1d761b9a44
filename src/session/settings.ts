import type { Result, Statement } from "../driver/statement.ts";

/** Settings local to a transaction, by name. */
export type Settings = Readonly<Record<string, string>>;

/** Runs a statement ahead of all others. */
export type ExecuteFirst = (statement: Statement) => Promise<Result>;

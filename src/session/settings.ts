import type { Result, Statement } from "../driver/statement.ts";

/** Settings local to a transaction, by name. */
export type Settings = Readonly<Record<string, string>>;

/** Runs a statement ahead of all others. */
export type ExecuteFirst = (statement: Statement) => Promise<Result>;

/** Runs ahead of a transaction's first statement; what it returns is set. */
export type BeginHook = (execute: ExecuteFirst) => Promise<Settings | void>;

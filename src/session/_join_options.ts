import {
  isAutocommit,
  sameTransactionOptions,
  type TransactionOptions,
} from "../driver/transaction_sql.ts";
import { openError } from "./_refusals.ts";
import type { Transaction } from "./transaction.ts";

/**
 * Makes an open transaction an explicit one, if it can become that.
 *
 * @param transaction The open one.
 * @param wanted How it is to run.
 * @param options Whether the session has changes that were not sent.
 * @throws {StateError} When it cannot.
 */
export function joinExplicitly(
  transaction: Transaction,
  wanted: TransactionOptions,
  { hasChanges }: { readonly hasChanges: boolean },
): void {
  const obstacle = hasChanges
    ? "it has changes pending"
    : obstacleTo(transaction, wanted);
  if (obstacle !== undefined) throw openError("begin", obstacle);
  transaction.options = wanted;
  transaction.explicit = true;
}

/**
 * Gives an open transaction other options, where nothing has run in it.
 *
 * @param transaction The open one.
 * @param options What is different.
 * @throws {StateError} When it runs otherwise already.
 */
export function joinWithOptions(
  transaction: Transaction,
  options: TransactionOptions,
): void {
  const wanted = { ...transaction.options, ...options };
  const isSame = sameTransactionOptions(transaction.options, wanted);
  if (!isSame && (transaction.explicit || transaction.used)) {
    throw openError("change its options", "it runs under others already");
  }
  transaction.options = wanted;
}

function obstacleTo(
  transaction: Transaction,
  wanted: TransactionOptions,
): string | undefined {
  if (transaction.explicit) return "begin() was called before";
  if (transaction.writes > 0) return "it has written already";
  if (isAutocommit(wanted) && transaction.hasSavepoints) {
    return "it has a savepoint, which autocommit cannot have";
  }
  const isOther = !sameTransactionOptions(transaction.options, wanted);
  return transaction.used && isOther
    ? "its reads ran under other options"
    : undefined;
}

/** Options of a whole transaction that its BEGIN does not tell. */
const OF_A_WHOLE = [
  "statementTimeout",
  "transactionTimeout",
  "signal",
  "lostCommit",
] as const;

/**
 * Whether a savepoint can be had under options: it has none of its own.
 *
 * @param own How its transaction runs.
 * @param options How the savepoint was to run.
 */
export function canRunInside(
  own: TransactionOptions,
  options: TransactionOptions,
): boolean {
  return sameTransactionOptions(own, { ...own, ...options }) &&
    OF_A_WHOLE.every((name) =>
      options[name] === undefined || options[name] === own[name]
    );
}

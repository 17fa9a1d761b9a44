import { duplicateError } from "./_refusals.ts";
import type { Change } from "./change_set.ts";
import type { Entity, Entry } from "./entry.ts";
import { entityKey, type IdentityMap } from "./identity_map.ts";
import { hasValue, keyText, NULL_TEXT } from "./row_key.ts";
import type { ColumnInfo, TableInfo } from "./table_info.ts";

/**
 * Refuses a key that another entity has, unless that one leaves it.
 *
 * @param map Knows who has it.
 * @param entry Who wants it.
 * @param wanted The key, and for what.
 * @throws {StateError} When it is taken.
 */
export function checkFree(
  map: IdentityMap,
  { table, entity }: Entry,
  { call, key }: { readonly call: string; readonly key: string },
): void {
  const present = map.at(table, key);
  if (present === undefined || present.entity === entity) return;
  if (present.state === "removed" || isMoving(present)) return;
  throw duplicateError(call, table, [present.entity, entity]);
}

/**
 * Gives the rows of a flush the keys that they are to have: two cannot have
 * one, unless one of them goes.
 *
 * @param map Knows who has them.
 * @param changes What is flushed.
 * @throws {StateError} When one is taken.
 */
export function takeKeys(map: IdentityMap, changes: readonly Change[]): void {
  const taken = new Map<TableInfo, Map<string, Entity>>();
  for (const { entry, kind, columns } of changes) {
    const { table, entity } = entry;
    // The database makes the key, or nothing is written of it.
    const isGiven = kind !== "delete" &&
      table.primaryKey.some((column) => columns.includes(column));
    if (!isGiven) continue;
    const key = entityKey(table, entity);
    if (key === undefined) continue;
    const ofTable = taken.get(table) ?? new Map<string, Entity>();
    const twin = ofTable.get(key);
    if (twin) throw duplicateError("flush", table, [twin, entity]);
    taken.set(table, ofTable.set(key, entity));
    if (key !== entry.key) checkFree(map, entry, { call: "flush", key });
    if (kind === "insert") map.move(entry, key);
  }
}

/**
 * Refuses to upsert a row that the session has an entity of: there would be two
 * of it.
 *
 * @param map Knows them.
 * @param changes What is flushed.
 * @throws {StateError} When it has one.
 */
export function checkTargets(
  map: IdentityMap,
  changes: readonly Change[],
): void {
  const checked = new Map<TableInfo, Set<string>>();
  for (const { entry: { table }, conflict } of changes) {
    if (conflict === undefined) continue;
    const ofTable = checked.get(table) ?? new Set();
    const name = conflict.target.map(({ at }) => at).join();
    if (ofTable.has(name)) continue;
    checked.set(table, ofTable.add(name));
    checkTarget(map, table, conflict.target);
  }
}

function checkTarget(
  map: IdentityMap,
  table: TableInfo,
  target: readonly ColumnInfo[],
): void {
  const taken = new Map<string, Entry>();
  const isNullEqual = table.uniqueKeys.some(({ keys, nullsNotDistinct }) =>
    nullsNotDistinct && keys.length === target.length &&
    target.every(({ key }) => keys.includes(key))
  );
  for (const entry of map.entries) {
    if (entry.table !== table || entry.state === "removed") continue;
    const { entity } = entry;
    const text = keyText(
      target,
      ({ key }) => hasValue(entity, key) ? entity[key] : undefined,
      isNullEqual ? NULL_TEXT : undefined,
    );
    if (text === undefined) continue;
    const twin = taken.get(text);
    const isUpsert = [twin, entry].some((each) =>
      each?.state === "new" && each.upsert !== undefined
    );
    if (twin !== undefined && isUpsert) {
      throw duplicateError("flush", table, [twin.entity, entity], target);
    }
    taken.set(text, entry);
  }
}

/** Whether its row is to get another key. */
function isMoving(entry: Entry): boolean {
  const key = entityKey(entry.table, entry.entity);
  return key !== undefined && key !== entry.key;
}

/**
 * Does what `idle_test.ts` looks at: writes rows until V8 has compiled what
 * that takes, and is idle then, so that all garbage is collected.
 */
import {
  integer,
  PgDialect,
  pgTable,
  serial,
  text,
  timestamp,
} from "drizzle-orm/pg-core";
import { tableInfoReader } from "../../src/drizzle/table_info.ts";
import { UnitOfWork } from "../../src/unit_of_work/unit_of_work.ts";
import { FlightReader } from "../../src/wire/flight_reader.ts";
import { collectGarbage } from "../support/collect_garbage.ts";

const ROUNDS = 60;
const ROWS = 1_000;
const FIELDS = ["id", "name", "quantity", "at"].map((name) => ({
  name,
  tableID: 0,
  columnID: 0,
  dataTypeID: 25,
  dataTypeSize: -1,
  dataTypeModifier: -1,
}));

const items = tableInfoReader(new PgDialect())(pgTable("items", {
  id: serial().primaryKey(),
  name: text().notNull(),
  quantity: integer().notNull(),
  at: timestamp().notNull(),
}));

/** What nobody keeps: it shows that the test would see what is thrown away. */
class Unkept {
  readonly #value: number;

  constructor(value: number) {
    this.#value = value;
  }

  get value(): number {
    return this.#value;
  }
}

function sumUnkept(list: readonly Unkept[]): number {
  let sum = 0;
  for (const each of list) sum += each.value;
  return sum;
}

/** What a request does with rows that it adds, beside sending them. */
function insert(work: UnitOfWork): void {
  for (let at = 0; at < ROWS; at++) {
    work.add(items, { name: `item ${at}`, quantity: at, at: new Date(at) });
  }
  flush(work);
}

/** The same with rows that it has read, and changes. */
function update(work: UnitOfWork): void {
  for (let at = 0; at < ROWS; at++) {
    const raw = [at, `item ${at}`, at, "2026-01-01 00:00:00"];
    const options = { askedAt: work.now, overwrite: false };
    const item = work.load(items, raw, options);
    item.quantity = at + 1;
  }
  flush(work);
}

function flush(work: UnitOfWork): void {
  for (const planned of work.seal({ publishAll: false })) {
    const { statement } = planned;
    if (statement.params?.length === 0) throw new TypeError("No parameters");
    work.noteSealed();
    const reader = new FlightReader([statement], () => String);
    reader.rowDescription(FIELDS);
    for (let at = 0; at < planned.changes.length; at++) {
      reader.dataRow([`${at}`, `item ${at}`, `${at}`, "2026-01-01 00:00:00"]);
    }
    reader.complete("INSERT", ROWS);
    const [result] = reader.end().results;
    if (result) work.answer(planned, result);
  }
  work.nextTransaction();
}

function request(run: (work: UnitOfWork) => void): number {
  const work = new UnitOfWork();
  run(work);
  work.undo(0);
  return sumUnkept(Array.from({ length: ROWS }, (_, at) => new Unkept(at)));
}

let sum = 0;
for (let round = 0; round < ROUNDS; round++) {
  sum += request(insert) + request(update);
}
// A turn of the loop: nothing of the last request is on the stack any more.
await new Promise((resolve) => setTimeout(resolve, 0));
console.log(`idle after ${sum}`);
collectGarbage();

import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { integer, PgDialect, pgTable, serial, text } from "drizzle-orm/pg-core";
import { createEngine, sessionmaker } from "../../mod.ts";
import { tableInfoReader } from "../../src/drizzle/table_info.ts";
import { postgres } from "../../src/postgres/mod.ts";
import {
  deleteStatement,
  updateStatement,
} from "../../src/unit_of_work/change_statements.ts";
import { insertStatement } from "../../src/unit_of_work/insert_statement.ts";
import { KeyReference } from "../../src/unit_of_work/key_reference.ts";
import {
  RowValues,
  type StatementText,
  StatementTexts,
} from "../../src/unit_of_work/statement_texts.ts";
import type { TableMapping } from "../../src/unit_of_work/table_info.ts";
import { testDatabase } from "../support/postgres.ts";

/** Texts, and how many were written. */
function writing() {
  const texts = new StatementTexts();
  let written = 0;
  function of(name: string | undefined, values: RowValues): StatementText {
    return texts.of(name, values, () => {
      written++;
      return { text: `${name}`, slots: [], stale: undefined };
    });
  }
  return { of, written: () => written };
}

const ONE = new RowValues({ rows: [[1]] });

Deno.test("the text for one row is written once", () => {
  const { of, written } = writing();
  assert(
    of("update 1", ONE) === of("update 1", new RowValues({ keys: [[2]] })),
  );
  assertEquals(written(), 1);
  assertEquals(of("update 2", ONE).text, "update 2");
  assertEquals(written(), 2);
});

Deno.test("a text that depends on more than its name is written each time", () => {
  const { of, written } = writing();
  const reference = new KeyReference("made", 1);
  const more = [
    new RowValues({ rows: [[1], [2]] }),
    new RowValues({ keys: [[1], [2]] }),
    new RowValues({ rows: [[1, reference]] }),
    new RowValues({ rows: [[1]], keys: [[reference]] }),
  ];
  for (const values of [...more, ...more]) of("update 1", values);
  of(undefined, ONE);
  of(undefined, ONE);
  assertEquals(written(), 2 * more.length + 2);
});

Deno.test("a program that writes every set of columns keeps a few hundred texts at most", () => {
  const { of, written } = writing();
  for (let at = 0; at < 1_000; at++) of(`update ${at}`, ONE);
  of("update 999", ONE);
  assertEquals(written(), 1_000);
  of("update 0", ONE);
  assertEquals(written(), 1_001);
});

const items = pgTable("items", {
  id: serial().primaryKey(),
  name: text(),
  n: integer(),
});

Deno.test("statements for one row differ by what they write, compare and read back", () => {
  const mapping: TableMapping = {
    version: "xmin",
    readBack: "all",
    hasTriggerKeys: false,
    deferrable: new Set(),
  };
  const read = tableInfoReader(new PgDialect(), new Map([[items, mapping]]));
  const table = read(items);
  const [, name, n] = table.columns;
  if (!name || !n) throw new TypeError("No columns");
  const rows = [["x"]];
  const keys = [[1]];
  const versions = ["7"];
  const statements = [
    updateStatement({
      table,
      columns: [name],
      read: table.columns,
      rows,
      keys,
      versions,
    }),
    updateStatement({
      table,
      columns: [name],
      read: table.columns,
      rows,
      keys,
      versions: undefined,
    }),
    updateStatement({
      table,
      columns: [n],
      read: table.columns,
      rows,
      keys,
      versions,
    }),
    updateStatement({
      table,
      columns: [name, n],
      read: table.columns,
      rows: [["x", 1]],
      keys,
      versions,
    }),
    updateStatement({ table, columns: [name], read: [], rows, keys, versions }),
    deleteStatement({ table, keys, versions }),
    deleteStatement({ table, keys, versions: undefined }),
    insertStatement({ table, columns: [name], read: table.columns, rows }),
    insertStatement({ table, columns: [n], read: table.columns, rows }),
    insertStatement({ table, columns: [name], read: [], rows }),
  ];
  const texts = statements.map(({ text }) => text);
  assertEquals(new Set(texts).size, texts.length);
  const again = updateStatement({
    table,
    columns: [name],
    read: table.columns,
    rows: [["y"]],
    keys: [[2]],
    versions: ["8"],
  });
  assertEquals(again.text, texts[0]);
  const [own, other] = [again, statements[0]].map((each) => each?.params);
  assertEquals(own?.slice(0, -1), ["y", "2", "8", "1"]);
  assertNotEquals(own?.at(-1), other?.at(-1));
  assertEquals(again.stale?.key, own?.at(-1));
});

Deno.test("changes of one row each, time and again, write what they are given", async () => {
  await using database = await testDatabase({
    setup: "create table items (id serial primary key, name text, n int)",
  });
  await using engine = createEngine(postgres(database.url));
  const Session = sessionmaker(engine, { schema: { items } });
  for (let round = 1; round <= 3; round++) {
    await using db = Session();
    const item = db.add(items, { name: `item ${round}` });
    await db.flush();
    item.n = round;
    await db.flush();
    item.name = null;
    await db.commit();
    const gone = db.add(items, { n: -round });
    await db.commit();
    db.remove(gone);
    await db.commit();
  }
  assertEquals(
    await database.query("select name, n from items order by n"),
    [1, 2, 3].map((n) => ({ name: null, n })),
  );
});

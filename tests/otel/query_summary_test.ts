import { assert, assertEquals } from "@std/assert";
import { summarize } from "../../src/otel/_query_summary.ts";

/** SQL text to summary, operation and collection. */
const CASES: readonly [string, string, string?, string?][] = [
  // The examples of the conventions.
  [
    "SELECT *\nFROM   wuser_table\nWHERE  username = ?",
    "SELECT wuser_table",
    "SELECT",
    "wuser_table",
  ],
  [
    "INSERT INTO shipping_details (order_id, address) SELECT order_id, address FROM orders WHERE order_id = ?",
    "INSERT shipping_details SELECT orders",
  ],
  [
    "SELECT * FROM songs, artists WHERE songs.artist_id == artists.id",
    "SELECT songs artists",
    "SELECT",
  ],
  [
    "SELECT order_date FROM (SELECT * FROM orders o JOIN customers c ON o.customer_id = c.customer_id)",
    "SELECT SELECT orders customers",
  ],
  ['SELECT * FROM "song list"', 'SELECT "song list"', "SELECT", '"song list"'],
  ["call some_procedure($1)", "call some_procedure", "call", "some_procedure"],
  // Drizzle's.
  [
    'select "id", "name" from "people" where "people"."name" = $1 limit $2',
    "select people",
    "select",
    "people",
  ],
  [
    'insert into "shop"."orders" ("id", "n") values (default, $1), (default, $2) on conflict ("id") do update set "n" = $3 returning "id"',
    "insert shop.orders",
    "insert",
    "shop.orders",
  ],
  [
    'update "people" set "n" = $1 where "id" = $2',
    "update people",
    "update",
    "people",
  ],
  [
    'delete from "people" where "id" in (select "id" from "gone")',
    "delete people select gone",
  ],
  [
    'select * from "a" left join "b" on "a"."id" = "b"."id", "c" order by "d", "e"',
    "select a b c",
    "select",
  ],
  ['select * from "a" for update', "select a", "select", "a"],
  // What a flush sends.
  [
    'with v as materialized (select * from unnest($1::int[], $2::text[]) as u("id", "n")), i as (insert into "orders" ("id", "n") select v."id", v."n" from v order by v.ord returning "id"), n as (select v.ord, i.* from i join v on v."id" = i."id") select n."id" from n where case when (select count(*) from n) = $3 then true else false end order by n.ord',
    "insert orders",
    "insert",
    "orders",
  ],
  [
    "with recursive t(a, b) as (select 1, 2 union all select a, b from t) select * from t",
    "select select select",
  ],
  // What looks like a table.
  [
    "select extract(year from made_at), trim(both from name) from orders",
    "select orders",
    "select",
    "orders",
  ],
  [
    "select * from orders where a is distinct from b",
    "select orders",
    "select",
    "orders",
  ],
  [
    "select * from unnest($1::int[]) as u(n), orders o",
    "select orders",
    "select",
    "orders",
  ],
  ["select * from a join b using (id, c)", "select a b", "select"],
  [
    "select 'from secret', $$from secret$$ from orders -- from secret",
    "select orders",
    "select",
    "orders",
  ],
  [
    "select 1 /* from /* a */ b */ from orders",
    "select orders",
    "select",
    "orders",
  ],
  ["select * from lateral (select 1) x, only orders", "select select orders"],
  ["delete from a using b where a.id = b.id", "delete a b", "delete"],
  [
    "merge into a using b on a.id = b.id when matched then update set n = 1 when not matched then insert values (1)",
    "merge a b",
    "merge",
  ],
  ["select * from a where exists (select 1 from b)", "select a select b"],
  ["select 1 union select 2", "select select"],
  ["(select 1 from a) union (select 2 from b)", "select a select b"],
  // Other commands: nothing of what they say may be a value.
  ["begin isolation level read committed", "begin", "begin"],
  ["commit", "commit", "commit"],
  ["set password = 'secret'", "set", "set"],
  ["alter role bob password 'secret'", "alter role bob", "alter role", "bob"],
  [
    "create unique index concurrently if not exists i on t (a)",
    "create index i",
    "create index",
    "i",
  ],
  [
    "CREATE OR REPLACE FUNCTION f(a int) returns int as $$ select 'secret' $$",
    "CREATE FUNCTION f",
    "CREATE FUNCTION",
    "f",
  ],
  [
    "create temp table if not exists orders (id int)",
    "create table orders",
    "create table",
    "orders",
  ],
  [
    "drop table orders, lines",
    "drop table orders lines",
    "drop table",
  ],
  [
    "truncate orders, lines cascade",
    "truncate orders lines",
    "truncate",
  ],
  ["truncate table only orders", "truncate orders", "truncate", "orders"],
  ["copy orders from stdin", "copy orders", "copy", "orders"],
  ["vacuum analyze orders", "vacuum", "vacuum"],
  ["do $$ begin perform 'secret'; end $$", "do", "do"],
  ["grant select on orders to bob", "grant", "grant"],
  ["select from", "select", "select"],
  ["", ""],
  ["'only a string", ""],
  [")))", ""],
];

for (const [text, summary, operation, collection] of CASES) {
  Deno.test(`summarize() of ${JSON.stringify(text.slice(0, 70))}`, () => {
    assertEquals(summarize(text), { summary, operation, collection });
  });
}

Deno.test("summarize() is cut between two names", () => {
  const tables = Array.from({ length: 100 }, (_, n) => `table_${n}`);
  const { summary } = summarize(`select * from ${tables.join(", ")}`);
  assert(summary.length <= 255);
  assert(tables.includes(summary.split(" ").at(-1) ?? ""));
});

import { assert, assertEquals, assertFalse } from "@std/assert";
import { sql } from "drizzle-orm";
import {
  bigint,
  boolean,
  customType,
  integer,
  jsonb,
  numeric,
  PgDialect,
  pgSchema,
  type PgTable,
  pgTable,
  primaryKey,
  serial,
  text,
  timestamp,
  uuid,
  varchar,
} from "drizzle-orm/pg-core";
import { command, type Statement } from "../../src/driver/statement.ts";
import { tableInfoReader } from "../../src/drizzle/table_info.ts";
import { insertStatement } from "../../src/unit_of_work/insert_statement.ts";
import { KeyReference } from "../../src/unit_of_work/key_reference.ts";
import { columnOf } from "../../src/unit_of_work/table_info.ts";
import { type DriverBed, driverBeds } from "../support/drivers.ts";

const read = tableInfoReader(new PgDialect());

/** An entity as it came back. */
type Row = Record<string, unknown>;

function insert(
  table: PgTable,
  rows: readonly Row[],
  publishAs?: string,
): Statement {
  const info = read(table);
  const keys = Object.keys(rows[0] ?? {});
  return insertStatement({
    table: info,
    columns: keys.map((key) => columnOf(info, key)),
    read: info.columns,
    rows: rows.map((row) => keys.map((key) => row[key])),
    publications: info.primaryKey.slice(0, 1).flatMap((column) =>
      publishAs === undefined ? [] : [{ column, name: publishAs }]
    ),
  });
}

function entity(table: PgTable, row: unknown): Row {
  assert(Array.isArray(row));
  return Object.fromEntries(
    read(table).columns.map(({ key, decode }, at) => [key, decode(row[at])]),
  );
}

/** Runs tests on a connection of each driver, in a transaction that is rolled back. */
function insertTest(
  name: string,
  setup: readonly string[],
  run: (
    flight: (
      ...inserts: readonly [PgTable, Statement][]
    ) => Promise<Row[][]>,
    query: (text: string) => Promise<unknown[]>,
  ) => Promise<void>,
): void {
  for (const [driver, makeBed] of Object.entries(driverBeds)) {
    Deno.test(`insertStatement() ${name}, over ${driver}`, async () => {
      await using bed: DriverBed = await makeBed();
      const connection = await bed.driver.connect();
      async function send(statements: readonly Statement[]) {
        const flight = await connection.send(statements);
        if ("failure" in flight) throw flight.failure;
        return flight.results;
      }
      try {
        for (const text of setup) await send([command(text)]);
        await send([command("begin")]);
        await run(
          async (...inserts) => {
            const results = await send(inserts.map(([, each]) => each));
            return results.map(({ rows }, at) =>
              rows.map((row) => entity(inserts[at]?.[0] as PgTable, row))
            );
          },
          async (text) =>
            (await send([{ ...command(text), rowMode: "object" }]))[0]?.rows ??
              [],
        );
        await send([command("rollback")]);
      } finally {
        await connection.close();
      }
    });
  }
}

const parents = pgTable("parents", {
  id: serial().primaryKey(),
  name: text().notNull(),
});
const children = pgTable("children", {
  id: integer().generatedAlwaysAsIdentity().primaryKey(),
  parent: integer().notNull().references(() => parents.id),
  note: varchar({ length: 5 }),
});
const FAMILY = [
  "create table parents (id serial primary key, name text not null)",
  `create table children (id int generated always as identity primary key,
    parent int not null references parents, note varchar(5))`,
];

insertTest("gives each row its own key", FAMILY, async (flight) => {
  const names = Array.from({ length: 1_000 }, (_, at) => `n${999 - at}`);
  const [made = []] = await flight([
    parents,
    insert(parents, names.map((name) => ({ name }))),
  ]);
  assertEquals(made, names.map((name, at) => ({ id: at + 1, name })));
});

insertTest(
  "makes parents and children in one flight",
  FAMILY,
  async (flight) => {
    const [made = [], kept = []] = await flight(
      [parents, insert(parents, [{ name: "a" }, { name: "b" }], "nullpool.k1")],
      [
        children,
        insert(children, [
          { parent: new KeyReference("nullpool.k1", 2), note: "of b" },
          { parent: new KeyReference("nullpool.k1", 1), note: null },
          { parent: new KeyReference("nullpool.k1", 2), note: "too" },
        ]),
      ],
    );
    assertEquals(made, [{ id: 1, name: "a" }, { id: 2, name: "b" }]);
    assertEquals(kept, [
      { id: 1, parent: 2, note: "of b" },
      { id: 2, parent: 1, note: null },
      { id: 3, parent: 2, note: "too" },
    ]);
  },
);

insertTest(
  "has one text for one row, and one for any number more",
  FAMILY,
  async (flight) => {
    const [one, other, two, three] = [["a"], ["b"], ["c", "d"], ["e", "f", "g"]]
      .map((names) => insert(parents, names.map((name) => ({ name }))));
    assertEquals(one?.text, other?.text);
    assertEquals(two?.text, three?.text);
    for (const statement of [one, two]) {
      assert(statement);
      assertFalse(/'[a-g]'/.test(statement.text));
      await flight([parents, statement]);
    }
  },
);

insertTest(
  "refuses what is too long, and cuts nothing",
  FAMILY,
  async (flight) => {
    const outcome = await flight(
      [parents, insert(parents, [{ name: "a" }], "nullpool.k1")],
      [
        children,
        insert(children, [{
          parent: new KeyReference("nullpool.k1", 1),
          note: "too long",
        }]),
      ],
    ).catch((error) => error.code ?? error.sqlstate);
    assertEquals(outcome, "22001");
  },
);

const tokens = pgTable("tokens", {
  id: uuid().defaultRandom().primaryKey(),
  n: integer().notNull(),
  at: timestamp({ withTimezone: true, mode: "string" }).default(sql`now()`),
});
const uses = pgTable("uses", {
  token: uuid().notNull(),
  n: integer().notNull(),
}, (t) => [primaryKey({ columns: [t.token, t.n] })]);

insertTest("knows rows whose key an expression makes", [
  "create table tokens (id uuid default gen_random_uuid() primary key, n int not null, at timestamptz default now())",
  "create table uses (token uuid, n int, primary key (token, n))",
], async (flight) => {
  const [made = [], used = []] = await flight(
    [tokens, insert(tokens, [3, 1, 2].map((n) => ({ n })), "nullpool.k7")],
    [
      uses,
      insert(uses, [
        { token: new KeyReference("nullpool.k7", 3), n: 1 },
        { token: new KeyReference("nullpool.k7", 1), n: 2 },
      ]),
    ],
  );
  assertEquals(made.map(({ n }) => n), [3, 1, 2]);
  assert(made.every(({ at }) => typeof at === "string"));
  assertEquals(used, [
    { token: made[2]?.id, n: 1 },
    { token: made[0]?.id, n: 2 },
  ]);
});

const shop = pgSchema("the shop");
const mood = shop.enum("mood", ["calm", "wild"]);
const point = customType<
  { data: { x: number; y: number }; driverData: unknown }
>({
  dataType: () => "point",
  toDriver: ({ x, y }) => `(${x},${y})`,
});
const bytea = customType<{ data: Uint8Array; driverData: Uint8Array }>({
  dataType: () => "bytea",
});
const everything = shop.table('every "thing', {
  id: bigint({ mode: "bigint" }).primaryKey(),
  mood: mood(),
  moods: mood().array(),
  tags: text().array(),
  grid: integer().array().array(),
  extra: jsonb(),
  price: numeric({ precision: 9, scale: 2 }),
  made: timestamp({ precision: 3 }),
  day: timestamp({ mode: "string", withTimezone: true }),
  isNew: boolean("is new"),
  raw: bytea(),
  place: point(),
});

insertTest("carries every type", [
  'create schema "the shop"',
  `create type "the shop".mood as enum ('calm', 'wild')`,
  `create table "the shop"."every ""thing" (id int8 primary key,
    mood "the shop".mood, moods "the shop".mood[], tags text[], grid int[],
    extra jsonb, price numeric(9,2), made timestamp(3), day timestamptz,
    "is new" bool, raw bytea, place point)`,
], async (flight) => {
  const rows = [
    {
      id: 9007199254740993n,
      mood: "wild",
      moods: ["calm", "wild"],
      tags: ['a "b"', "c,d", "", null],
      grid: [[1, 2], [3, 4]],
      extra: { a: [1, null, "x"], b: "'" },
      price: "12.50",
      made: new Date("2026-11-21T01:02:03.456Z"),
      day: "2026-11-21 01:02:03+00",
      isNew: true,
      raw: new Uint8Array([0, 1, 255]),
      place: { x: 1.5, y: -2 },
    },
    {
      id: 2n,
      mood: null,
      moods: null,
      tags: null,
      grid: null,
      extra: null,
      price: null,
      made: null,
      day: null,
      isNew: null,
      raw: null,
      place: null,
    },
  ];
  const [made = []] = await flight([everything, insert(everything, rows)]);
  assertEquals(
    made.map((row) => ({
      ...row,
      raw: row.raw instanceof Uint8Array ? new Uint8Array(row.raw) : row.raw,
    })),
    rows,
  );
});

insertTest("works for a role with few rights, policies and triggers", [
  // Of an identity column nobody needs the right to use the sequence.
  ...FAMILY.map((text) =>
    text.replace("id serial", "id int generated by default as identity")
  ),
  `do $$ begin
    if not exists (select from pg_roles where rolname = 'nullpool_app') then
      create role nullpool_app;
    end if;
  end $$`,
  "grant select, insert on parents, children to nullpool_app",
  "alter table children enable row level security",
  // It looks up the parent, which a sibling of one statement would not see.
  `create policy mine on children using (
    exists (select from parents p where p.id = parent and p.name like 'mine%'))`,
  `create function shout() returns trigger language plpgsql as $$
    begin new.name := upper(new.name) || '!'; return new; end $$`,
  `create function mark() returns trigger language plpgsql as $$
    begin new.note := coalesce(new.note, 'none'); return new; end $$`,
  "create trigger shout before insert on parents for each row when (new.name not like 'mine%') execute function shout()",
  "create trigger mark before insert on children for each row execute function mark()",
], async (flight, query) => {
  await query("set local role nullpool_app");
  const first = insert(
    parents,
    [{ name: "mine 1" }, { name: "other" }],
    "nullpool.k1",
  );
  const [made = [], kept = []] = await flight(
    [parents, first],
    [
      children,
      insert(children, [
        { parent: new KeyReference("nullpool.k1", 1), note: null },
      ]),
    ],
  );
  assertEquals(made, [{ id: 1, name: "mine 1" }, { id: 2, name: "OTHER!" }]);
  assertEquals(kept, [{ id: 1, parent: 1, note: "none" }]);
  const refused = await flight(
    [parents, first],
    [
      children,
      insert(children, [
        { parent: new KeyReference("nullpool.k1", 2), note: "x" },
      ]),
    ],
  ).catch((error) => error.code);
  assertEquals(refused, "42501");
});

insertTest("bears 100,000 rows and keys that a client gives", [
  "create table uses (token uuid, n int, primary key (token, n))",
], async (flight) => {
  const token = "00000000-0000-4000-8000-000000000000";
  const rows = Array.from({ length: 100_000 }, (_, at) => ({
    token,
    n: (at * 7919) % 100_003,
  }));
  const [made = []] = await flight([uses, insert(uses, rows)]);
  assertEquals(made.length, rows.length);
  assert(made.every(({ n }, at) => n === rows[at]?.n));
});

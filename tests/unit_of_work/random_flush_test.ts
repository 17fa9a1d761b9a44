import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { eq, type SQL, sql } from "drizzle-orm";
import type { AnyPgColumn } from "drizzle-orm/pg-core";
import {
  createEngine,
  type Engine,
  QueuePool,
  ref,
  type Session,
  sessionmaker,
  StateError,
  type TransactionHandle,
} from "../../mod.ts";
import type { Driver } from "../../src/driver/driver.ts";
import { pglite } from "../../src/pglite/mod.ts";
import { postgres } from "../../src/postgres/mod.ts";
import { neonBed } from "../support/drivers.ts";
import { testPGlite } from "../support/pglite.ts";
import { testDatabase } from "../support/postgres.ts";
import { type Random, seeded, testSeed } from "../support/random.ts";
import {
  createStatements,
  randomSchema,
  type RandomTable,
} from "./random_schema.ts";

/** Schemas, and plays on each. */
const SCHEMAS = Number(Deno.env.get("NULLPOOL_TEST_SCHEMAS") ?? 20);
const PLAYS = 50;
const CALLS = 30;
/** Few, so that they are wanted twice. */
const UNIQUE_VALUES = 6;

/** A row as it has to be: links lead to tags, because keys are anybody's. */
interface ModelRow {
  readonly table: number;
  /** Where the client makes it. */
  id?: number;
  n: number | null;
  data: unknown;
  u: number | null;
  readonly links: Record<string, string | null>;
}

/** All rows, by tag. */
type Model = Map<string, ModelRow>;

/** An entity, whatever its table. */
type AnyEntity = Record<string, unknown>;

function copyOf(model: Model): Model {
  return structuredClone(model);
}

/** Random changes in one session, and what a correct one would make of them. */
class Play {
  readonly calls: string[] = [];
  refusals = 0;
  commits = 0;
  readonly #random: Random;
  readonly #db: Session;
  readonly #tables: readonly RandomTable[];
  readonly #newTag: () => string;
  readonly #entities = new Map<string, AnyEntity>();
  #committed: Model;
  #model: Model;
  #savepoints: { handle: TransactionHandle; model: Model }[] = [];

  constructor(parts: {
    random: Random;
    db: Session;
    tables: readonly RandomTable[];
    newTag: () => string;
    model: Model;
  }) {
    this.#random = parts.random;
    this.#db = parts.db;
    this.#tables = parts.tables;
    this.#newTag = parts.newTag;
    this.#committed = parts.model;
    this.#model = copyOf(parts.model);
  }

  get committed(): Model {
    return this.#committed;
  }

  async run(onCommit: (before: Model, after: Model) => Promise<void>) {
    for (let call = 0; call < CALLS; call++) {
      const before = this.#committed;
      await this.#step();
      if (this.#committed !== before) {
        this.commits++;
        await onCommit(before, this.#committed);
      }
    }
    const before = this.#committed;
    await this.#commit();
    if (this.#committed !== before) await onCommit(before, this.#committed);
  }

  async #step(): Promise<void> {
    const dice = this.#random(100);
    if (dice < 32) await this.#add();
    else if (dice < 58) await this.#change();
    else if (dice < 70) await this.#remove();
    else if (dice < 75) await this.#flush();
    else if (dice < 80) await this.#find();
    else if (dice < 84) await this.#enqueue();
    else if (dice < 89) await this.#savepoint();
    else if (dice < 93) await this.#endSavepoint();
    else if (dice < 98) await this.#commit();
    else await this.#rollback();
  }

  #pick<T>(list: readonly T[]): T | undefined {
    return list[this.#random(list.length)];
  }

  /** Rows of a table, or all. */
  #rows(table?: number): [string, ModelRow][] {
    return [...this.#model].filter(([, row]) =>
      table === undefined || row.table === table
    );
  }

  /** The entity of a row: loaded where the session does not have it yet. */
  async #entity(tag: string): Promise<AnyEntity> {
    const present = this.#entities.get(tag);
    if (present !== undefined) return present;
    const row = this.#model.get(tag);
    const table = this.#tables[row?.table ?? 0];
    assert(row && table);
    // Only what has been committed can be unknown: it is no autoflush that
    // has to bring it.
    const [loaded] = await this.#db.noAutoflush(() =>
      this.#db.find(table.table, this.#hasTag(table, tag))
    );
    assert(loaded, `${tag} has gone`);
    this.#entities.set(tag, loaded);
    return loaded;
  }

  #hasTag({ table }: RandomTable, tag: string): SQL {
    return eq(Reflect.get(table, "tag") as AnyPgColumn, tag);
  }

  #freeUnique(table: number): number | null {
    const taken = new Set(this.#rows(table).map(([, { u }]) => u));
    const value = this.#random(UNIQUE_VALUES * 2);
    return value >= UNIQUE_VALUES || taken.has(value) ? null : value;
  }

  #isKnown(entity: AnyEntity): boolean {
    const id = Object.getOwnPropertyDescriptor(entity, "id");
    return id !== undefined && "value" in id;
  }

  async #add(): Promise<void> {
    const at = this.#random(this.#tables.length);
    const table = this.#tables[at];
    assert(table);
    const tag = this.#newTag();
    const row: ModelRow = {
      table: at,
      n: this.#random(3) === 0 ? null : this.#random(100),
      data: this.#random(2) === 0 ? { list: [this.#random(9)] } : null,
      u: this.#freeUnique(at),
      links: {},
    };
    const values: AnyEntity = { tag, n: row.n, u: row.u };
    if (row.data !== null) values.data = structuredClone(row.data);
    if (table.keyKind === "client") values.id = row.id = Number(tag.slice(1));
    for (const { key, target, isNullable } of table.links) {
      const wanted = isNullable && this.#random(3) === 0
        ? undefined
        : this.#pick(this.#rows(target));
      if (wanted === undefined && !isNullable) return;
      row.links[key] = wanted?.[0] ?? null;
      if (wanted === undefined) continue;
      const entity = await this.#entity(wanted[0]);
      values[key] = this.#isKnown(entity) && this.#random(2) === 0
        ? entity.id
        : ref(entity).id;
    }
    this.calls.push(`add ${table.name} ${tag} ${JSON.stringify(row)}`);
    // The values are right by construction; the types are those of any table.
    this.#entities.set(tag, this.#db.add(table.table, values as never));
    this.#model.set(tag, row);
  }

  async #change(): Promise<void> {
    const picked = this.#pick(this.#rows());
    if (picked === undefined) return;
    const [tag, row] = picked;
    const entity = await this.#entity(tag);
    const table = this.#tables[row.table];
    assert(table);
    switch (this.#random(6)) {
      case 5:
        this.#changeKey(tag, row, entity);
        break;
      case 0:
        entity.n = row.n = this.#random(100);
        break;
      case 1:
      case 2:
        this.#changeUnique(row, entity);
        break;
      case 3:
        this.#changeData(row, entity);
        break;
      default:
        await this.#relink(table, row, entity);
    }
    this.calls.push(`change ${tag} ${JSON.stringify(row)}`);
  }

  /** A row that nobody refers to gets another key. */
  #changeKey(tag: string, row: ModelRow, entity: AnyEntity): void {
    const isFree = row.id !== undefined &&
      !this.#rows().some(([, { links }]) => Object.values(links).includes(tag));
    if (!isFree) return;
    entity.id = row.id = Number(this.#newTag().slice(1));
  }

  /** Sometimes two rows trade places, or one takes what another gives up. */
  #changeUnique(row: ModelRow, entity: AnyEntity): void {
    const other = this.#pick(this.#rows(row.table));
    if (other === undefined || this.#random(2) === 0) {
      entity.u = row.u = this.#freeUnique(row.table);
      return;
    }
    const present = this.#entities.get(other[0]);
    if (present === undefined || other[1] === row) return;
    const wanted = other[1].u;
    const given = this.#random(6) === 0 ? row.u : this.#freeUnique(row.table);
    present.u = other[1].u = null;
    entity.u = row.u = wanted;
    present.u = other[1].u = given;
  }

  /** Inside of what the entity holds. */
  #changeData(row: ModelRow, entity: AnyEntity): void {
    const value = this.#random(9);
    const { data } = entity;
    if (typeof data === "object" && data !== null && "list" in data) {
      assert(Array.isArray(data.list));
      data.list.push(value);
      row.data = structuredClone(data);
    } else {
      entity.data = { list: [value] };
      row.data = { list: [value] };
    }
  }

  async #relink(
    { links }: RandomTable,
    row: ModelRow,
    entity: AnyEntity,
  ): Promise<void> {
    const link = this.#pick(links);
    if (link === undefined) return;
    const wanted = this.#pick(this.#rows(link.target));
    if (wanted === undefined) return;
    const target = await this.#entity(wanted[0]);
    if (!this.#isKnown(target)) return;
    entity[link.key] = target.id;
    row.links[link.key] = wanted[0];
  }

  async #remove(): Promise<void> {
    const picked = this.#pick(this.#rows());
    if (picked === undefined) return;
    await this.#removeRow(picked[0]);
  }

  /** What refers to it goes with it, or is led away. */
  async #removeRow(tag: string): Promise<void> {
    const row = this.#model.get(tag);
    if (row === undefined) return;
    const entity = await this.#entity(tag);
    this.#model.delete(tag);
    this.#entities.delete(tag);
    for (const [other, { links, table }] of this.#rows()) {
      for (const { key, isNullable } of this.#tables[table]?.links ?? []) {
        if (links[key] !== tag || !this.#model.has(other)) continue;
        const referrer = await this.#entity(other);
        if (isNullable && this.#random(2) === 0) {
          referrer[key] = null;
          links[key] = null;
        } else {
          await this.#removeRow(other);
          break;
        }
      }
    }
    this.calls.push(`remove ${tag}`);
    this.#db.remove(entity);
  }

  async #flush(): Promise<void> {
    this.calls.push("flush");
    await this.#orRefused(() => this.#db.flush());
  }

  /** A query sees what is pending, and gives the objects that are there. */
  async #find(): Promise<void> {
    const at = this.#random(this.#tables.length);
    const table = this.#tables[at];
    assert(table);
    this.calls.push(`find ${table.name}`);
    await this.#orRefused(async () => {
      const found = await this.#db.find(table.table);
      assertEquals(
        found.map(({ tag }) => String(tag)).toSorted(),
        this.#rows(at).map(([tag]) => tag).toSorted(),
      );
      for (const entity of found) {
        const tag = String(entity.tag);
        const present = this.#entities.get(tag);
        if (present !== undefined) assertStrictEquals(entity, present);
        this.#entities.set(tag, entity);
      }
    });
    this.#checkEntities();
  }

  /** A builder keeps its place between the changes. */
  async #enqueue(): Promise<void> {
    const picked = this.#pick(this.#rows());
    const table = this.#tables[picked?.[1].table ?? 0];
    if (picked === undefined || table === undefined) return;
    const [tag, row] = picked;
    const entity = await this.#entity(tag);
    this.calls.push(`enqueue n + 1 of ${tag}`);
    await this.#orRefused(async () => {
      const update =
        sql`update ${table.table} set n = n + 1 where tag = ${tag}`;
      const done = this.#db.enqueue(update);
      await this.#db.flush();
      await done;
      row.n = row.n === null ? null : row.n + 1;
      await this.#db.refresh(entity);
    });
  }

  async #savepoint(): Promise<void> {
    if (this.#savepoints.length === 3) return;
    this.calls.push("savepoint");
    await this.#orRefused(async () => {
      const handle = await this.#db.beginNested();
      this.#savepoints.push({ handle, model: copyOf(this.#model) });
    });
  }

  async #endSavepoint(): Promise<void> {
    const open = this.#savepoints.at(-1);
    if (open === undefined) return;
    if (this.#random(2) === 0) {
      this.calls.push("release");
      await this.#orRefused(async () => {
        await open.handle.commit();
        this.#savepoints.pop();
      });
      return;
    }
    this.calls.push("rollback to savepoint");
    await open.handle.rollback();
    this.#savepoints.pop();
    this.#model = open.model;
    this.#forgetRemoved();
    this.#checkEntities();
  }

  async #commit(): Promise<void> {
    this.calls.push("commit");
    await this.#orRefused(async () => {
      await this.#db.commit();
      this.#savepoints = [];
      this.#committed = copyOf(this.#model);
      this.#checkEntities();
    });
  }

  async #rollback(): Promise<void> {
    this.calls.push("rollback");
    await this.#db.rollback();
    this.#savepoints = [];
    this.#model = copyOf(this.#committed);
    this.#forgetRemoved();
    this.#checkEntities();
  }

  /** Objects of rows that were never there, or came back as others. */
  #forgetRemoved(): void {
    for (const tag of [...this.#entities.keys()]) {
      if (!this.#model.has(tag)) this.#entities.delete(tag);
    }
  }

  /** What the session holds is what the rows are, changes included. */
  #checkEntities(): void {
    for (const [tag, entity] of this.#entities) {
      const row = this.#model.get(tag);
      assert(row, `${tag} should have been forgotten`);
      const { n, data, u } = entity;
      assertEquals({ tag, n, data, u }, {
        tag,
        n: row.n,
        data: row.data,
        u: row.u,
      });
    }
  }

  /** Runs what flushes; a circle of unique values is refused, and no other. */
  async #orRefused(run: () => Promise<void>): Promise<void> {
    try {
      await run();
    } catch (error) {
      if (!(error instanceof StateError && error.code === "FLUSH_CYCLE")) {
        throw error;
      }
      this.refusals++;
      assert(
        await this.#hasCircle(),
        `Refused without reason: ${error.message}`,
      );
      await this.#rollback();
    }
  }

  /** Whether rows want the unique values that others have, in a circle. */
  async #hasCircle(): Promise<boolean> {
    const selects = this.#tables.map(({ name }, at) =>
      `select tag, u, ${at} as "table" from ${name} where u is not null`
    );
    const { rows } = await this.#db.noAutoflush(() =>
      this.#db.execute(selects.join(" union all "))
    );
    const next = new Map<string, string>();
    for (const [tag, { u, table }] of this.#model) {
      const holder = rows.find((row) => row.table === table && row.u === u);
      if (u !== null && holder && holder.tag !== tag) {
        next.set(tag, String(holder.tag));
      }
    }
    for (const start of next.keys()) {
      let at = next.get(start);
      for (let step = 0; step < next.size && at !== undefined; step++) {
        if (at === start) return true;
        at = next.get(at);
      }
    }
    return false;
  }
}

/** The same changes, row by row, with constraints that wait for the commit. */
async function writeByHand(
  db: Session,
  tables: readonly RandomTable[],
  { before, after }: { before: Model; after: Model },
): Promise<void> {
  const idOf = (table: number, tag: string | null | undefined) =>
    sql`(select id from ${sql.identifier(`t${table}`)} where tag = ${
      tag ?? null
    })`;
  for (const [tag, { table }] of before) {
    if (after.has(tag)) continue;
    await db.execute(
      sql`delete from ${sql.identifier(`t${table}`)} where tag = ${tag}`,
    );
  }
  const changed = [...after].filter(([tag, row]) =>
    JSON.stringify(before.get(tag)) !== JSON.stringify(row)
  );
  // A link that must not be NULL leads to an earlier table.
  const inOrder = changed.toSorted(([, a], [, b]) => a.table - b.table);
  for (const [tag, row] of inOrder) {
    if (before.has(tag)) continue;
    const { links = [], keyKind } = tables[row.table] ?? {};
    const names = ["tag", ...links.map(({ key }) => key)];
    const values = [
      sql`${tag}`,
      ...links.map(({ key, target, isNullable }) =>
        isNullable ? sql`null` : idOf(target, row.links[key])
      ),
    ];
    if (keyKind === "client") {
      names.push("id");
      values.push(sql`${row.id}`);
    }
    await db.execute(
      sql`insert into ${sql.identifier(`t${row.table}`)} (${
        sql.join(names.map((name) => sql.identifier(name)), sql`, `)
      }) values (${sql.join(values, sql`, `)})`,
    );
  }
  for (const [tag, { id, table }] of inOrder) {
    if (id === undefined) continue;
    await db.execute(
      sql`update ${sql.identifier(`t${table}`)} set id = ${id}
        where tag = ${tag}`,
    );
  }
  for (const [tag, row] of inOrder) {
    const { links = [] } = tables[row.table] ?? {};
    const sets = [
      sql`n = ${row.n}`,
      sql`u = ${row.u}`,
      sql`data = ${row.data === null ? null : JSON.stringify(row.data)}::jsonb`,
      ...links.map(({ key, target }) =>
        sql`${sql.identifier(key)} = ${idOf(target, row.links[key])}`
      ),
    ];
    await db.execute(
      sql`update ${sql.identifier(`t${row.table}`)} set ${
        sql.join(sets, sql`, `)
      } where tag = ${tag}`,
    );
  }
}

/** All rows, with links as tags. */
async function content(
  db: Session,
  tables: readonly RandomTable[],
): Promise<unknown> {
  const selects = tables.map(({ name, links, keyKind }) => {
    const columns = links.map(({ key, target }) =>
      `'${key}', (select tag from t${target} where id = t."${key}")`
    );
    const id = keyKind === "client" ? "id" : "null::int";
    return `select '${name}' as name, tag, ${id} as id, n, u, data, json_build_object(${
      columns.join(", ")
    }) as links from ${name} t`;
  });
  const { rows } = await db.execute(
    `${selects.join(" union all ")} order by tag`,
  );
  return rows;
}

async function play(
  driver: Driver,
  handDriver: Driver,
  schemas: number,
): Promise<void> {
  const random = seeded(testSeed());
  await using engine = createEngine(driver, pooled(driver));
  await using hand = createEngine(handDriver, pooled(handDriver));
  let tags = 0;
  const counts = { commits: 0, refusals: 0 };
  for (let schema = 0; schema < schemas; schema++) {
    const tables = randomSchema(random);
    await create(engine, createStatements(tables));
    await create(
      hand,
      createStatements(tables, "deferrable initially deferred"),
    );
    const Session = sessionmaker(engine);
    const Hand = sessionmaker(hand);
    let model: Model = new Map();
    for (let round = 0; round < PLAYS; round++) {
      await using db = Session();
      const game = new Play({
        random,
        db,
        tables,
        newTag: () => `r${++tags}`,
        model,
      });
      try {
        await game.run(async (before, after) => {
          await Hand.begin((byHand) =>
            writeByHand(byHand, tables, { before, after })
          );
        });
        await db.close();
        const [ours, theirs] = await Promise.all([
          Session.begin((reader) => content(reader, tables)),
          Hand.begin((reader) => content(reader, tables)),
        ]);
        assertEquals(ours, theirs);
      } catch (error) {
        console.log(createStatements(tables).join(";\n"));
        console.log(game.calls.join("\n"));
        console.log(error);
        throw error;
      }
      model = game.committed;
      counts.commits += game.commits;
      counts.refusals += game.refusals;
    }
    await create(
      engine,
      tables.map(({ name }) => `drop table ${name} cascade`),
    );
    await create(hand, tables.map(({ name }) => `drop table ${name} cascade`));
  }
  console.log(`${schemas * PLAYS} plays, ${JSON.stringify(counts)}`);
  assert(counts.commits > schemas * PLAYS / 2);
}

/** A connection for each play would take longer than the play. */
function pooled({ name }: Driver): Parameters<typeof createEngine>[1] {
  return name === "pglite" ? {} : {
    pool: (driver) => new QueuePool(driver, { poolSize: 2 }),
  };
}

async function create(engine: Engine, statements: string[]): Promise<void> {
  await sessionmaker(engine).begin(async (db) => {
    for (const statement of statements) await db.execute(statement);
  });
}

Deno.test("UnitOfWork does as a hand would, on PostgreSQL", async () => {
  await using database = await testDatabase();
  await using other = await testDatabase();
  await play(postgres(database.url), postgres(other.url), SCHEMAS);
});

Deno.test("UnitOfWork does as a hand would, on PGlite", async () => {
  await using lite = await testPGlite();
  await using other = await testPGlite();
  await play(pglite(lite), pglite(other), SCHEMAS / 4);
});

Deno.test("UnitOfWork does as a hand would, on Neon over HTTP and WebSockets", async () => {
  await using bed = await neonBed();
  await using other = await testDatabase();
  // A frame of more than 1 KB takes Deno 44 ms: fewer plays.
  await play(bed.driver, postgres(other.url), SCHEMAS / 16);
});

import { command, type Statement } from "../driver/statement.ts";

/**
 * What the database needs for `lostCommit: "ledger"`: a table of commits, and
 * functions that anybody may call and that do nothing else. Run it once, with
 * the other migrations (drizzle-kit: `generate --custom`), as a role that may
 * create a schema.
 *
 * A commit writes one row. Those older than a day are removed by
 * later commits under READ COMMITTED, two each; where there are none such,
 * call `select nullpool.prune_commits()` now and then.
 *
 * @example Made at the start of a test
 * ```ts
 * import { createEngine, ledgerMigration, sessionmaker } from "@nullpool/db";
 * import { pglite } from "@nullpool/db/pglite";
 *
 * await using engine = createEngine(pglite(), {
 *   transaction: { lostCommit: "ledger" },
 * });
 * const Session = sessionmaker(engine);
 * for (const statement of ledgerMigration) {
 *   await Session.begin((db) => db.execute(statement), { lostCommit: "error" });
 * }
 * await Session.begin((db) => db.execute("create table notes (body text)"));
 * ```
 */
export const ledgerMigration: readonly string[] = [
  `create schema if not exists nullpool`,
  `grant usage on schema nullpool to public`,
  `create table if not exists nullpool.commits (
  id uuid primary key,
  at timestamptz not null default clock_timestamp(),
  is_undone boolean not null default false
)`,
  `create index if not exists commits_at on nullpool.commits (at)`,
  // Under other levels a row that somebody else has removed is an error.
  `create or replace function nullpool.note_commit(commit_id uuid) returns void
language plpgsql security definer set search_path = pg_catalog as $$
begin
  insert into nullpool.commits (id) values (commit_id);
  if current_setting('transaction_isolation') = 'read committed' then
    delete from nullpool.commits where id in (
      select id from nullpool.commits where at < now() - interval '1 day'
      order by at limit 2 for update skip locked
    );
  end if;
end $$`,
  // The row keeps a transaction that is still under way from being committed;
  // of one that has its own already, the end is waited for. Whoever asks twice
  // is told the same twice.
  `create or replace function nullpool.settle_commit(commit_id uuid) returns text
language plpgsql security definer set search_path = pg_catalog as $$
begin
  insert into nullpool.commits (id, is_undone) values (commit_id, true)
  on conflict do nothing;
  return (
    select case when is_undone then 'rolled back' else 'committed' end
    from nullpool.commits where id = commit_id
  );
end $$`,
  `create or replace function nullpool.prune_commits(older interval default '1 day')
returns void language sql security definer set search_path = pg_catalog as $$
  delete from nullpool.commits where at < now() - older;
$$`,
  `revoke execute on function nullpool.prune_commits(interval) from public`,
];

/**
 * Writes the row that tells of a commit, in its own transaction.
 *
 * @param id Tells it from others.
 */
export function noteCommit(id: string): Statement {
  return command("select nullpool.note_commit($1::uuid)", [id]);
}

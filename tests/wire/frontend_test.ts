import { assert, assertEquals, assertFalse } from "@std/assert";
import { command } from "../../src/driver/statement.ts";
import { copiesIn } from "../../src/wire/copy_in.ts";
import { writeFlight } from "../../src/wire/frontend.ts";

/** The text that would be parsed for a statement. */
function parsed(text: string): string {
  const texts: string[] = [];
  function ignore(): void {}
  writeFlight([command(text)], {
    parse: (message) => texts.push(message.text),
    bind: ignore,
    describe: ignore,
    execute: ignore,
    sync: ignore,
  });
  return texts.join();
}

Deno.test("writeFlight() puts a refusal in the place of COPY FROM STDIN", () => {
  const copies = [
    "copy t from stdin",
    "COPY t (a, b) FROM STDIN WITH (FORMAT csv)",
    "/* c */ -- x\n copy t from stdin",
    "-- x\r\ncopy t from stdin",
    "/* a /* b */ c */ copy t from stdin",
    "; copy t\nfrom\n stdin",
    'copy"t" from stdin',
    'copy "t"(a)from stdin',
    "copy t from /* x */ stdin",
    "copy/**/t from--\nstdin(format csv)",
    "copy t(a)from/* a /* b */ c */stdin",
    'copy "from ""a"" b".t from stdin',
    "copy copy (a) from stdin",
    "copy t from stdin;",
    // PostgreSQL takes it for STDIN.
    "copy t from stdout",
  ];
  for (const text of copies) {
    assertEquals(parsed(text).split(" ", 1), ["do"], text);
  }
  const others = [
    "copy t to stdout",
    "copy t from 'a folder/stdin'",
    "-- copy t from stdin\nselect 1",
    "/* copy t from stdin */ select 1",
    "select 'copy t from stdin'",
    "copy t to stdin",
    "copy (select * from stdin) to stdout",
    'copy t from \'"\' with (null "from stdin")',
    "copy_all from stdin",
  ];
  for (const text of others) assertEquals(parsed(text), text);
});

Deno.test("copiesIn() finds a COPY behind other statements", () => {
  const copies = [
    "select 1; copy t from stdin",
    "select ';' as \"a'b\"; copy t from stdin",
    "select e'\\''; copy t from stdin",
    "select e'a'\n'\\''; copy t from stdin",
    "select e'a''\\'' , '\\'; copy t from stdin",
    "do $a$ ' $b$ $a$; copy t from stdin",
    "select $1$$ ' $$;copy t from stdin",
    "select a$b$c; copy t from stdin --$b$",
    "select 1 -- '\n; copy t from stdin",
    "copy t to stdout; copy t from stdin",
  ];
  for (const text of copies) assert(copiesIn(text), text);
  const others = [
    "select '; copy t from stdin'",
    "select e'\\'; copy t from stdin'",
    "do $$ copy t from stdin; copy t from stdin $$",
    "select 1; insert into copy select * from stdin",
    "copy t to stdout; select * from stdin",
    "/* ; copy t from stdin */ select 1",
  ];
  for (const text of others) assertFalse(copiesIn(text), text);
});

Deno.test("copiesIn() reads a long text once", () => {
  const strings = "select e'\\'', 'it''s', $$ ' $$, \"\"\"\"; ".repeat(20_000);
  assertFalse(copiesIn(strings));
  assert(copiesIn(`${strings}copy t from stdin`));
  const long = "\\'".repeat(2_000_000);
  assert(copiesIn(`select e'${long}'; copy t from stdin`));
});

Deno.test("writeFlight() reads each comment once", () => {
  // Read again for each way to group them, they would not end.
  const comments = "/* x */\n".repeat(5_000);
  assertEquals(parsed(`${comments}select 1`), `${comments}select 1`);
  assertEquals(
    parsed(`${comments}copy t from stdin`),
    parsed("copy t from stdin"),
  );
});

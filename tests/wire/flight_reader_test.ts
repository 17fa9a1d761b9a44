import { assert, assertEquals, assertFalse, assertThrows } from "@std/assert";
import { StateError } from "../../mod.ts";
import {
  command,
  type Field,
  type Statement,
} from "../../src/driver/statement.ts";
import { FlightReader } from "../../src/wire/flight_reader.ts";

const TEXT: Field = {
  name: "v",
  dataTypeID: 25,
  tableID: 0,
  columnID: 0,
  dataTypeSize: -1,
  dataTypeModifier: -1,
};

function query(text: string): Statement {
  return { ...command(text), rowMode: "array" };
}

Deno.test("FlightReader a type parser that throws spoils the rows of its statement alone", () => {
  const reader = new FlightReader(
    [query("one"), query("two"), query("three")],
    () => (text) => {
      if (text === "marker") throw new Error(`Cannot parse ${text}`);
      return text;
    },
  );
  for (const text of ["fine", "marker", "fine"]) {
    reader.rowDescription([TEXT]);
    reader.dataRow([text]);
    reader.commandComplete("SELECT 1");
  }
  const { results: [first, second, third], failure } = reader.end();
  assertEquals(failure, undefined);
  assertEquals([first?.rows, third?.rows], [[["fine"]], [["fine"]]]);
  assertEquals([second?.command, second?.rowCount], ["SELECT", 1]);
  const error = assertThrows(() => second?.rows, StateError);
  assertEquals(error.code, "ANSWER_UNREADABLE");
  assert(second?.unreadable === error);
  const told = [Deno.inspect(error), error.stack, JSON.stringify(error)];
  assertFalse(told.join().includes("marker"), told.join());
});

Deno.test("FlightReader the first failure stays", () => {
  const reader = new FlightReader([query("one")], () => () => {
    throw new Error("of the parser");
  });
  const first = new Error("of the server");
  reader.rowDescription([TEXT]);
  reader.fail(first);
  reader.dataRow(["a"]);
  assert(reader.end().failure === first);
});

Deno.test("FlightReader tells an answer at once, and keeps none of its rows", () => {
  const told: unknown[] = [];
  const reader = new FlightReader([
    { ...query("one"), onAnswer: ({ rows }) => told.push(rows) },
    query("two"),
  ], () => (text) => text);
  for (const text of ["a", "b"]) {
    reader.rowDescription([TEXT]);
    reader.dataRow([text]);
    reader.commandComplete("SELECT 1");
    assertEquals(told, [[["a"]]]);
  }
  assertEquals(reader.end().results.map(({ rows }) => rows), [[], [["b"]]]);
});

Deno.test("FlightReader keeps no rows of what nobody reads", () => {
  const reader = new FlightReader(
    [command("set"), query("one")],
    () => (text) => text,
  );
  for (const _ of ["set", "one"]) {
    reader.rowDescription([TEXT]);
    reader.dataRow(["a"]);
    reader.commandComplete("SELECT 1");
  }
  assertEquals(reader.end().results.map(({ rows }) => rows), [[], [["a"]]]);
});

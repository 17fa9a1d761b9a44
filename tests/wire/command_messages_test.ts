import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { Client } from "@neondatabase/serverless";
import pg from "pg";
import { command, type Statement } from "../../src/driver/statement.ts";
import type { ClientConnection } from "../../src/wire/client.ts";
import { CommandMessages } from "../../src/wire/_command_messages.ts";
import { joinChunks, writeStatement } from "../../src/wire/frontend.ts";

/** A client's connection, and what it writes. */
interface Written {
  readonly connection: ClientConnection;
  /** The pieces since the last call. */
  take(): Uint8Array[];
}

/** As the driver takes it from the client, whose types leave it out. */
function connectionOf(client: object): ClientConnection {
  assert("connection" in client);
  return client.connection as ClientConnection;
}

function written(connection: ClientConnection): Written {
  const chunks: Uint8Array[] = [];
  const stream = {
    writable: true,
    write: (bytes: Uint8Array) => chunks.push(bytes),
    destroy() {},
  };
  connection.stream = stream;
  return { connection, take: () => chunks.splice(0) };
}

const CLIENTS: Readonly<Record<string, () => ClientConnection>> = {
  pg: () => connectionOf(new pg.Client()),
  neon: () => connectionOf(new Client("postgres://a:b@localhost/c")),
};

/** What is sent in one piece, as what was sent before. */
const PIECE = 1;

for (const [name, connect] of Object.entries(CLIENTS)) {
  Deno.test(`CommandMessages what ${name} is spared is what it would write`, () => {
    const { connection, take } = written(connect());
    const commands = new CommandMessages();
    for (const text of ["begin", "commit", "begin", 'savepoint "é"', "begin"]) {
      writeStatement(command(text), connection);
      const expected = take();
      assert(expected.length > PIECE);
      commands.write(command(text), connection);
      const sent = take();
      assertEquals(sent.length, PIECE, text);
      assertEquals(joinChunks(sent), joinChunks(expected), text);
    }
  });
}

Deno.test("CommandMessages asks a client for a text once, and the next one not at all", () => {
  const commands = new CommandMessages();
  const parsed = [1, 2, 3].map((id) => {
    const { connection } = written(connectionOf(new pg.Client()));
    let count = 0;
    const { parse } = connection;
    connection.parse = (message) => {
      count++;
      return parse.call(connection, message);
    };
    commands.write(command("begin"), connection);
    commands.write(command(id === 3 ? "commit" : "begin"), connection);
    return count;
  });
  assertEquals(parsed, [1, 0, 1]);
});

Deno.test("CommandMessages remembers nothing that has values, nor what has rows", () => {
  const { connection, take } = written(connectionOf(new pg.Client()));
  const commands = new CommandMessages();
  const text = "select set_config('a.b', $1, true)";
  function sent(statement: Statement): Uint8Array {
    commands.write(statement, connection);
    return joinChunks(take());
  }
  assertNotEquals(sent(command(text, ["one"])), sent(command(text, ["two"])));
  const lone = command("select 1");
  const withRows = sent({ ...lone, rowMode: "array" });
  // Describe asks for the columns.
  assertEquals(withRows.length, sent(lone).length + 7);
  assertEquals(sent({ ...lone, rowMode: "array" }), withRows);
});

Deno.test("CommandMessages keeps as many texts as it may, and writes the others all the same", () => {
  const { connection, take } = written(connectionOf(new pg.Client()));
  const commands = new CommandMessages();
  let parsed = 0;
  const { parse } = connection;
  connection.parse = (message) => {
    parsed++;
    return parse.call(connection, message);
  };
  const texts = Array.from({ length: 150 }, (_, at) => `savepoint sp_${at}`);
  const [first, second] = [0, 1].map(() => {
    parsed = 0;
    for (const text of texts) commands.write(command(text), connection);
    return { parsed, bytes: joinChunks(take()) };
  });
  assertEquals(first?.parsed, 150);
  assertEquals(second?.parsed, 50);
  assertEquals(second?.bytes, first?.bytes);
});

Deno.test("CommandMessages gives a connection its stream back, though a client cannot write", () => {
  const { connection } = written(connectionOf(new pg.Client()));
  const { stream } = connection;
  connection.execute = () => {
    throw new RangeError("Cannot write");
  };
  const commands = new CommandMessages();
  let error: unknown;
  try {
    commands.write(command("begin"), connection);
  } catch (thrown) {
    error = thrown;
  }
  assert(error instanceof RangeError);
  assertEquals(connection.stream, stream);
});

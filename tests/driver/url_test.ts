import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  describeTarget,
  parseConnectionUrl,
  resolveUrl,
} from "../../src/driver/url.ts";

Deno.test("parseConnectionUrl() takes a URL apart", () => {
  assertEquals(
    parseConnectionUrl(
      "postgresql://us%40er:p%2F%3Aw@db.example.com:6543/my%20db?sslmode=require&a=b",
    ),
    {
      host: "db.example.com",
      port: 6543,
      database: "my db",
      user: "us@er",
      password: "p/:w",
      params: new Map([["sslmode", "require"], ["a", "b"]]),
    },
  );
  const plain = parseConnectionUrl("postgres://app@[::1]");
  assertEquals(
    [plain.host, plain.port, plain.database, plain.password],
    ["::1", 5432, "app", undefined],
  );
  assertEquals(describeTarget(plain), 'database "app" at ::1:5432');
});

Deno.test("parseConnectionUrl() names what is wrong, not the URL", () => {
  const cases = [
    ["", "postgres://user"],
    ["marker", "postgres://user"],
    ["http://marker:marker@h/d", "postgres://user"],
    ["postgres:///d", "no host"],
    ["postgres://host/marker", "no user"],
    ["postgres://u:%ZZmarker@h/d", "password is not percent-encoded"],
    ["postgres://u:marker@h:port/d", "postgres://user"],
  ] as const;
  for (const [url, part] of cases) {
    const error = assertThrows(() => parseConnectionUrl(url), TypeError);
    assert(error.message.includes(part), error.message);
    assert(!error.message.includes("marker"), error.message);
  }
});

Deno.test("parseConnectionUrl() tells no part of a password that is not encoded", () => {
  for (const end of ["/marker", "?marker", "?marker=1", "#marker", "#"]) {
    const error = assertThrows(
      () => parseConnectionUrl(`postgres://u:se@marker${end}@host/d`),
      TypeError,
      "%23, %2F, %3F and %40",
    );
    assert(!error.message.includes("marker"), error.message);
  }
  const told = parseConnectionUrl(
    "postgres://u:p%23%2F%3F%40@host/d%23%40?application_name=a%40b",
  );
  assertEquals(
    [told.password, told.database, told.params.get("application_name")],
    ["p#/?@", "d#@", "a@b"],
  );
});

Deno.test("parseConnectionUrl() refuses what would end a part of the login", () => {
  const smuggled = "%00options%00-c role=postgres";
  for (
    const url of [
      `postgres://u${smuggled}:p@h/d`,
      `postgres://u:p${smuggled}@h/d`,
      `postgres://u:p@h/d${smuggled}`,
      `postgres://u:p@h/d?application_name=a${smuggled}`,
      "postgres://u:p@h/d\0x",
    ]
  ) assertThrows(() => parseConnectionUrl(url), TypeError, "%00");
  assertEquals(parseConnectionUrl("postgres://u@h/%2500").database, "%00");
});

Deno.test("resolveUrl() asks functions and checks parameters", async () => {
  const url = "postgres://u:p@h/d?one=1";
  assertEquals((await resolveUrl(url, ["one"])).user, "u");
  assertEquals((await resolveUrl(() => url, ["one"])).user, "u");
  assertEquals(
    (await resolveUrl(() => Promise.resolve(url), ["one"])).user,
    "u",
  );
  await assertRejects(() => resolveUrl(url, ["two"]), TypeError, '"one"');
  for (const missing of [() => undefined, () => "", () => Promise.resolve()]) {
    // @ts-expect-error: a function that returns nothing is refused as well
    await assertRejects(() => resolveUrl(missing, []), TypeError, "missing");
  }
});

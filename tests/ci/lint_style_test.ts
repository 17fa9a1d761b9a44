import { assertEquals } from "@std/assert";
import { join } from "node:path";
import plugin from "../../.ci/lint_style.ts";
import { ROOT } from "../../.ci/project.ts";

/** The rules that a source breaks. */
function lint(file: string, source: string): string[] {
  return Deno.lint.runPlugin(plugin, join(ROOT, file), source)
    .map(({ id }) => id);
}

function lines(count: number, line = "work();"): string {
  return `${line}\n`.repeat(count);
}

const REFUSED: [rule: string, file: string, source: string][] = [
  ["no-plain-error", "src/pool/a.ts", 'throw new Error("x");'],
  ["no-plain-error", "src/pool/a.ts", 'throw Error("x");'],
  ["no-console", "src/dev/a.ts", 'console.log("x");'],
  ["portable", "src/pool/a.ts", "using a = open();"],
  ["portable", "src/pool/a.ts", "await using a = open();"],
  ["portable", "src/pool/a.ts", "const a = Promise.withResolvers();"],
  ["portable", "src/pool/a.ts", "const a = new SuppressedError();"],
  ["portable", "src/neon/a.ts", 'const a = new WebSocket("ws://x");'],
  ["portable", "src/pool/a.ts", "const a = navigator.userAgent;"],
  ["portable", "src/pool/a.ts", "const a = Deno.pid;"],
  ["one-way", "src/pool/a.ts", "enum A { B }"],
  ["one-way", "src/hono/a.ts", 'declare module "hono" {}'],
  ["one-way", "src/hono/a.ts", "declare global {}"],
  ["one-way", "src/pool/a.ts", "export default function a() {}"],
  ["one-way", "src/pool/a.ts", "class A { private b = 1; }"],
  ["one-way", "src/pool/a.ts", "class A { private b() {} }"],
  ["one-way", "src/pool/a.ts", "let count = 0;"],
  ["one-way", "src/pool/a.ts", "export let count = 0;"],
  ["one-way", "src/pool/a.ts", "const a = () => 1;"],
  ["one-way", "src/pool/a.ts", "export const a = () => 1;"],
  ["composition", "src/pool/a.ts", "class A extends NullPool {}"],
  ["door", "src/neon/mod.ts", "export const a = 1;"],
  ["door", "src/neon/mod.ts", 'import "./neon_driver.ts";'],
  ["size", "src/pool/a.ts", lines(301)],
  ["shared-shape", "src/pool/a.ts", "use({ get a() { return 1; } });"],
  ["young-function", "src/pool/a.ts", "a.b = () => c;"],
  ["young-function", "src/pool/a.ts", "a.b ??= function () { return c; };"],
  ["size", "src/pool/a.ts", `function a() {\n${lines(59)}}`],
];

const ALLOWED: [file: string, source: string][] = [
  ["src/pool/a.ts", 'throw new PoolError("x");'],
  ["src/testing/a.ts", "Deno.test(fn);"],
  ["src/neon/a.ts", "const a = new options.WebSocket(url);"],
  ["src/pool/a.ts", "function a() { let b = 0; const c = () => b++; }"],
  ["src/pool/a.ts", "class A implements Pool { readonly #b = 1; }"],
  ["src/driver/a.ts", "class AError extends NullpoolError {}"],
  ["src/drizzle/a.ts", "class A extends PgSession {}"],
  ["src/pool/a.ts", "class A { get b() { return 1; } }"],
  ["src/dev/a.ts", "use({ get a() { return 1; } });"],
  [
    "src/pool/a.ts",
    "function a() { const b = () => c; d.e = b; f = () => g; }",
  ],
  ["src/dev/a.ts", "a.b = () => c;"],
  ["src/neon/mod.ts", 'export * from "./a.ts"; export { b } from "./b.ts";'],
  ["src/pool/a.ts", lines(300) + lines(50, "// Why.") + lines(50, "")],
  ["src/pool/a.ts", `function a() {\n${lines(58)}/* b\n c */}`],
  ["tests/pool/a_test.ts", 'throw new Error("x");'],
  ["tests/pool/a_test.ts", "await using a = open();"],
];

Deno.test("The style rules report what breaks them", () => {
  for (const [rule, file, source] of REFUSED) {
    assertEquals(lint(file, source), [`style/${rule}`], source.slice(0, 60));
  }
});

Deno.test("The style rules let the rest pass", () => {
  for (const [file, source] of ALLOWED) {
    assertEquals(lint(file, source), [], source.slice(0, 60));
  }
});

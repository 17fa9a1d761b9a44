import { dirname, join, relative, sep } from "node:path";
import { ROOMS } from "./room_table.ts";

const ROOT = dirname(import.meta.dirname ?? "");
const OWN_NAME = "@nullpool/db";

/** An import, export-from, `import()` or `import("..")` type. */
interface Import {
  specifier: string;
  isType: boolean;
  isDynamic: boolean;
}

/**
 * Says why a file may not import what it imports, if so.
 *
 * @param file Path from the project's root, with slashes.
 */
function problemOf(file: string, found: Import): string | undefined {
  const { specifier } = found;
  const room = file.split("/")[1] ?? "";
  const rules = ROOMS[room];
  if (rules === undefined) return `src/${room}/ is not in the room table`;
  if (specifier === OWN_NAME || specifier.startsWith(`${OWN_NAME}/`)) {
    return "Name the file, not the door";
  }
  if (specifier.startsWith(".")) return problemOfFile(file, found);
  if (specifier.startsWith("node:")) {
    const late = found.isDynamic && room === "scoped";
    return rules.node || late ? undefined : `${room} imports no node: module`;
  }
  const name = packageName(specifier);
  if (rules.packages?.includes(name)) return undefined;
  if (rules.typePackages?.includes(name)) {
    return found.isType ? undefined : `${room} imports only types of ${name}`;
  }
  return `${room} does not import the package ${name}`;
}

function problemOfFile(file: string, found: Import): string | undefined {
  const target = join(dirname(file), found.specifier).replaceAll(sep, "/");
  const [top, to = ""] = target.split("/");
  const base = target.split("/").at(-1) ?? "";
  if (base === "mod.ts") return "Name the file, not the door";
  if (top !== "src") return `${target} is outside src/`;
  const from = file.split("/")[1] ?? "";
  if (to === from) return undefined;
  if (base.startsWith("_")) return `${target} is private to ${to}`;
  if (to === "errors" || ROOMS[from]?.rooms.includes(to)) return undefined;
  if (ROOMS[from]?.typeRooms?.includes(to)) {
    return found.isType ? undefined : `${from} imports only types of ${to}`;
  }
  return `${from} does not import ${to}: see .ci/room_table.ts`;
}

/** `@scope/name` or `name`, without `npm:`, version and path. */
function packageName(specifier: string): string {
  const bare = specifier.replace(/^(npm|jsr):\/?/, "");
  return /^(@[^/]+\/)?[^/@]+/.exec(bare)?.[0] ?? bare;
}

/** The path from the root if it is a file of `src/`. */
function fileInSrc(filename: string): string | undefined {
  const path = relative(ROOT, filename).replaceAll(sep, "/");
  return path.startsWith("src/") ? path : undefined;
}

function isTypeOnly(
  kind: string,
  specifiers: readonly Deno.lint.Node[],
): boolean {
  return kind === "type" ||
    specifiers.length > 0 &&
      specifiers.every((one) =>
        (one.type === "ImportSpecifier" && one.importKind === "type") ||
        (one.type === "ExportSpecifier" && one.exportKind === "type")
      );
}

function imports(context: Deno.lint.RuleContext): Deno.lint.LintVisitor {
  const file = fileInSrc(context.filename);
  if (file === undefined) return {};

  function check(node: Deno.lint.Node, specifier: unknown, how: {
    isType?: boolean;
    isDynamic?: boolean;
  }): void {
    const problem = typeof specifier !== "string"
      ? "Import a literal name, so that the room table can be checked"
      : problemOf(file ?? "", {
        specifier,
        isType: how.isType ?? false,
        isDynamic: how.isDynamic ?? false,
      });
    if (problem !== undefined) context.report({ node, message: problem });
  }

  return {
    ImportDeclaration(node) {
      check(node, node.source.value, {
        isType: isTypeOnly(node.importKind, node.specifiers),
      });
    },
    ExportNamedDeclaration(node) {
      if (node.source === null) return;
      check(node, node.source.value, {
        isType: isTypeOnly(node.exportKind, node.specifiers),
      });
    },
    ExportAllDeclaration(node) {
      check(node, node.source.value, { isType: node.exportKind === "type" });
    },
    ImportExpression(node) {
      const value = node.source.type === "Literal" ? node.source.value : null;
      check(node, value, { isDynamic: true });
    },
    TSImportType(node) {
      check(node, importTypeSource(node), { isType: true });
    },
  };
}

function importTypeSource(node: Deno.lint.TSImportType): unknown {
  const { argument } = node;
  return argument.type === "TSLiteralType" && "value" in argument.literal
    ? argument.literal.value
    : undefined;
}

/** Holds the imports of `src/` to the room table. */
const plugin: Deno.lint.Plugin = {
  name: "rooms",
  rules: { imports: { create: imports } },
};
export default plugin;

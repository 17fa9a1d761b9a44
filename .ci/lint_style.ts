import { basename, dirname, relative, sep } from "node:path";

const ROOT = dirname(import.meta.dirname ?? "");
const MAX_FILE_LINES = 300;
const MAX_FUNCTION_LINES = 60;

/** What Node 20 lacks, as `object.property`. */
const NOT_IN_NODE_20 = new Set([
  "Promise.withResolvers",
  "Promise.try",
  "Array.fromAsync",
  "Object.groupBy",
  "Map.groupBy",
]);

/** Globals that Node 20 lacks or that only some runtimes have. */
const NOT_GLOBAL = new Set([
  "AsyncDisposableStack",
  "DisposableStack",
  "SuppressedError",
  "WebSocket",
  "navigator",
]);

type Visit = (
  context: Deno.lint.RuleContext,
  file: string,
) => Deno.lint.LintVisitor;

/** A rule that only looks at files of `src/`. */
function inSrc(visit: Visit): Deno.lint.Rule {
  return {
    create(context) {
      const file = relative(ROOT, context.filename).replaceAll(sep, "/");
      return file.startsWith("src/") ? visit(context, file) : {};
    },
  };
}

function roomOf(file: string): string {
  return file.split("/")[1] ?? "";
}

/**
 * V8 gives an object literal with an accessor a hidden class of its own: made
 * for every request, it once tripled what one costs.
 */
function sharedShape(
  context: Deno.lint.RuleContext,
  file: string,
): Deno.lint.LintVisitor {
  if (roomOf(file) === "dev") return {};
  return {
    "ObjectExpression > Property"(node) {
      if (node.type !== "Property" || node.kind === "init") return;
      context.report({ node, message: "An accessor belongs into a class" });
    },
  };
}

/**
 * V8 makes a function that is written where a property is assigned in its old
 * generation, and all that it sees stays until a major collection. Made for
 * every flight, it once kept whole sessions, and tripled the heap.
 */
function youngFunction(
  context: Deno.lint.RuleContext,
  file: string,
): Deno.lint.LintVisitor {
  if (roomOf(file) === "dev") return {};
  return {
    AssignmentExpression(node) {
      const isFunction = node.right.type === "ArrowFunctionExpression" ||
        node.right.type === "FunctionExpression";
      if (node.left.type === "MemberExpression" && isFunction) {
        context.report({ node, message: "Name the function, then assign it" });
      }
    },
  };
}

/** Errors are of our own classes: callers branch on their `code`. */
function noPlainError(context: Deno.lint.RuleContext): Deno.lint.LintVisitor {
  return {
    ThrowStatement(node) {
      const thrown = node.argument;
      const made = thrown.type === "NewExpression" ||
        thrown.type === "CallExpression";
      if (
        made && thrown.callee.type === "Identifier" &&
        thrown.callee.name === "Error"
      ) {
        context.report({ node, message: "Throw a class of src/errors/" });
      }
    },
  };
}

/** A library says what it has to say in events and errors. */
function noConsole(context: Deno.lint.RuleContext): Deno.lint.LintVisitor {
  return {
    'MemberExpression[object.name="console"]'(node: Deno.lint.Node) {
      context.report({ node, message: "No console in src/" });
    },
  };
}

/** The source runs as it is on Node 20 and in every other runtime. */
function portable(
  context: Deno.lint.RuleContext,
  file: string,
): Deno.lint.LintVisitor {
  function report(node: Deno.lint.Node, what: string): void {
    context.report({ node, message: `Not in every runtime: ${what}` });
  }
  return {
    VariableDeclaration(node) {
      if (node.kind === "using" || node.kind === "await using") {
        report(node, `${node.kind}, write try and finally`);
      }
    },
    MemberExpression(node) {
      if (
        node.object.type !== "Identifier" || node.property.type !== "Identifier"
      ) return;
      const name = node.object.name;
      const path = `${name}.${node.property.name}`;
      const isRunnersOwn = roomOf(file) === "dev" || roomOf(file) === "testing";
      if (
        NOT_IN_NODE_20.has(path) || name === "navigator" ||
        name === "Deno" && !isRunnersOwn
      ) report(node, path);
    },
    NewExpression(node) {
      const { callee } = node;
      if (callee.type === "Identifier" && NOT_GLOBAL.has(callee.name)) {
        report(node, callee.name);
      }
    },
  };
}

/** What this code base writes in one way, where the language has several. */
function oneWay(context: Deno.lint.RuleContext): Deno.lint.LintVisitor {
  function report(node: Deno.lint.Node, message: string): void {
    context.report({ node, message });
  }
  return {
    TSEnumDeclaration(node) {
      report(node, "Write a union of strings, not an enum");
    },
    TSModuleDeclaration(node) {
      report(node, "No namespace, declare module or declare global");
    },
    ExportDefaultDeclaration(node) {
      report(node, "No default export");
    },
    PropertyDefinition(node) {
      if (node.accessibility !== undefined) report(node, USE_HASH);
    },
    MethodDefinition(node) {
      if (node.accessibility === "private") report(node, USE_HASH);
    },
    "Program > VariableDeclaration, ExportNamedDeclaration > VariableDeclaration"(
      node: Deno.lint.VariableDeclaration,
    ) {
      if (node.kind === "let" || node.kind === "var") {
        report(node, "No mutable state in a module");
      }
      if (
        node.declarations.some(({ init }) =>
          init?.type === "ArrowFunctionExpression"
        )
      ) report(node, "Write a function declaration");
    },
  };
}

const USE_HASH = "Write a #private member";

/** A class has other objects; only errors and Drizzle's classes extend. */
function composition(
  context: Deno.lint.RuleContext,
  file: string,
): Deno.lint.LintVisitor {
  if (roomOf(file) === "drizzle") return {};
  return {
    ClassDeclaration(node) {
      const base = node.superClass;
      const isError = base?.type === "Identifier" &&
        base.name.endsWith("Error");
      if (base !== null && !isError) {
        context.report({ node, message: "Have the object, do not extend it" });
      }
    },
  };
}

/** A door only re-exports. */
function door(
  context: Deno.lint.RuleContext,
  file: string,
): Deno.lint.LintVisitor {
  if (basename(file) !== "mod.ts") return {};
  return {
    Program(node) {
      for (const statement of node.body) {
        const passesOn = statement.type === "ExportAllDeclaration" ||
          (statement.type === "ExportNamedDeclaration" &&
            statement.source !== null);
        if (!passesOn) {
          context.report({
            node: statement,
            message: "A door only re-exports",
          });
        }
      }
    },
  };
}

/** Small files and functions, not counting comments and empty lines. */
function size(context: Deno.lint.RuleContext): Deno.lint.LintVisitor {
  const source = context.sourceCode;
  function lines(range: readonly [number, number]): number {
    const text = source.text.slice(...range);
    return source.getAllComments()
      .filter((comment) =>
        comment.range[0] >= range[0] && comment.range[1] <= range[1]
      )
      .reduceRight(
        (rest, { range: [start, end] }) =>
          rest.slice(0, start - range[0]) + rest.slice(end - range[0]),
        text,
      )
      .split("\n").filter((line) => line.trim() !== "").length;
  }
  function check(node: Deno.lint.Node, max: number): void {
    const count = lines(node.range);
    if (count > max) {
      context.report({ node, message: `${count} lines of code, max ${max}` });
    }
  }
  return {
    Program(node) {
      const all: [number, number] = [0, source.text.length];
      const count = lines(all);
      if (count > MAX_FILE_LINES) {
        context.report({
          node: node.body[0] ?? node,
          message: `${count} lines of code, max ${MAX_FILE_LINES}`,
        });
      }
    },
    FunctionDeclaration(node) {
      check(node, MAX_FUNCTION_LINES);
    },
    FunctionExpression(node) {
      check(node, MAX_FUNCTION_LINES);
    },
  };
}

/** Holds `src/` to the rules of style that `deno lint` has no rule for. */
const plugin: Deno.lint.Plugin = {
  name: "style",
  rules: {
    "no-plain-error": inSrc(noPlainError),
    "no-console": inSrc(noConsole),
    portable: inSrc(portable),
    "one-way": inSrc(oneWay),
    composition: inSrc(composition),
    door: inSrc(door),
    size: inSrc(size),
    "shared-shape": inSrc(sharedShape),
    "young-function": inSrc(youngFunction),
  },
};
export default plugin;

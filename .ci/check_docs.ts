import {
  entryPoints,
  finish,
  inProject,
  readDenoJson,
  runDeno,
} from "./project.ts";

/**
 * Third parties' types that a public symbol shows, as "symbol: type". Each is
 * there on purpose: an alias, a base class or one of its type arguments.
 */
const ALLOWED_TYPES: ReadonlySet<string> = new Set([
  'CommitOptions["commitWhen"]: Context',
  'EngineSource["engine"]: Context',
  "EntityTable: PgTable",
  'InspectorOptions["authorize"]: Context',
  'RelationalConfig["schema"]: TablesRelationalConfig',
  "Session: ExtractTablesWithRelations",
  "Session: PgDatabase",
  'InstrumentOptions["meterProvider"]: MeterProvider',
  'InstrumentOptions["tracerProvider"]: TracerProvider',
  'RequestOptions["interactive"]: Context',
  "SessionDatabase: ExtractTablesWithRelations",
  "SessionDatabase: PgDatabase",
  "SessionQueryResultHKT: PgQueryResultHKT",
  'SessionShape["cache"]: Cache',
  'SessionShape["dialect"]: PgDialect',
  'SessionShape["logger"]: Logger',
  "SessionTransaction: ExtractTablesWithRelations",
  "SessionTransaction: PgTransaction",
  'SessionmakerOptions["cache"]: Cache',
  'SessionmakerOptions["logger"]: Logger',
  "SqlInput: SQL",
  "StreamableQuery: SQL",
  "TableColumn: PgColumn",
  "WebSocketConstructor: Client",
  "background: Context",
  "dbSession: MiddlewareHandler",
  "inspector: Hono",
  "streamSession: Context",
  "transactional: BlankInput",
  "transactional: Handler",
  "transactional: HandlerResponse",
  "transactional: Input",
]);

/** Public functions and classes that do without an example, and why. */
const ALLOWED_WITHOUT_EXAMPLE: ReadonlySet<string> = new Set<string>([]);

/** What `deno doc --json` says of one entry point. */
export interface DocNode {
  /** Of the module itself. */
  module_doc?: JsDoc;
  /** Its exports. */
  symbols: DocSymbol[];
}

/** An export. */
export interface DocSymbol {
  /** As it is imported. */
  name: string;
  /** One, or more for overloads and merged interfaces. */
  declarations: Declaration[];
}

interface Declaration {
  kind: string;
  location: { filename: string; line: number };
  declarationKind: string;
  jsDoc?: JsDoc;
  def?: { hasBody?: boolean };
}

interface JsDoc {
  doc?: string;
  tags?: { kind: string; doc?: string }[];
}

/** Findings of `deno doc --lint`, without the pairs that are allowed. */
export function lintFindings(
  output: string,
  allowed: ReadonlySet<string>,
): string[] {
  const findings = output.matchAll(/^error\[[\w-]+\]: .*(?:\n\s*--> .*)?/gm);
  return [...findings].map(([text]) => text).filter((text) => {
    const pair =
      /^error\[private-type-ref\]: public type '(.+)' references private type '(.+)'/
        .exec(text);
    return pair === null || !allowed.has(`${pair[1]}: ${pair[2]}`);
  });
}

/** Says which exports of an entry point lack a sentence or an example. */
export function missingDocs(
  node: DocNode,
  withoutExample: ReadonlySet<string>,
): string[] {
  return node.symbols.flatMap(({ name, declarations }) => {
    const [first] = declarations;
    if (first === undefined) return [];
    const where = `${inProject(first.location.filename)}: ${name}`;
    const problems: string[] = [];
    for (const { jsDoc, kind, def } of declarations) {
      // The body behind overloads is nobody's signature.
      const isHidden = kind === "function" && def?.hasBody === true &&
        declarations.length > 1;
      if (isHidden) continue;
      if (!/^[A-Z`"'][^]*?[.:](\s|$)/.test(jsDoc?.doc ?? "")) {
        problems.push(`${where} has no first sentence`);
      }
    }
    const needsExample = declarations.some(({ kind }) =>
      kind === "function" || kind === "class"
    );
    const hasExample = declarations.some(({ jsDoc }) =>
      jsDoc?.tags?.some(({ kind }) => kind === "example")
    );
    if (needsExample && !hasExample && !withoutExample.has(name)) {
      problems.push(`${where} has no @example`);
    }
    return problems;
  });
}

if (import.meta.main) {
  const files = [...(await entryPoints()).values()];
  const lint = await runDeno("doc", "--lint", ...files);
  const problems = lintFindings(lint.stderr + lint.stdout, ALLOWED_TYPES);
  // An entry point that does not exist fails without a finding.
  if (!lint.success && !/^error\[/m.test(lint.stderr + lint.stdout)) {
    problems.push(lint.stderr);
  }
  const docs = await readDenoJson<{ nodes: Record<string, DocNode> }>(
    "doc",
    "--json",
    ...files,
  );
  for (const [file, node] of Object.entries(docs.nodes)) {
    if (!node.module_doc?.doc) {
      problems.push(`${inProject(file)} has no @module doc`);
    }
    problems.push(...missingDocs(node, ALLOWED_WITHOUT_EXAMPLE));
  }
  finish(
    [...new Set(problems)],
    `The docs of ${files.length} entry points are complete`,
  );
}

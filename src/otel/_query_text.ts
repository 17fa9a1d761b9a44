import { tokensOf } from "./_sql_tokens.ts";

/** Longer texts are cut: of a statement that is generated the rest says little. */
export const TEXT_LIMIT = 4096;

/** Also words can be values. */
const LITERAL_WORD = /^(?:true|false)$/i;

/**
 * SQL text without what may be a secret: every literal is a `?`, comments are
 * left out, white space is one space. Placeholders such as `$1` stay.
 *
 * @param text SQL text, which need not be correct.
 */
export function sanitizedText(text: string): string {
  let sanitized = "";
  for (const token of tokensOf(text, TEXT_LIMIT)) {
    switch (token.kind) {
      case "literal":
        sanitized += "?";
        break;
      case "space":
      case "comment":
        if (!sanitized.endsWith(" ")) sanitized += " ";
        break;
      default:
        sanitized += LITERAL_WORD.test(token.text) ? "?" : token.text;
    }
  }
  const trimmed = sanitized.trim();
  return text.length > TEXT_LIMIT ? `${trimmed} ...` : trimmed;
}

/**
 * Whether an answer can be given another header, for which Hono copies it. Not
 * so an answer to an upgrade, nor one that somebody else reads.
 *
 * @param answer The answer.
 */
export function isCopyable({ status, bodyUsed, body }: Response): boolean {
  return status >= 200 && !bodyUsed && body?.locked !== true;
}

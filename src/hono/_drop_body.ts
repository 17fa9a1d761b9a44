/**
 * Tells the source of a body that nobody will read it: a stream would wait for
 * its reader for ever, with whatever it has open.
 *
 * @param answer The answer that is not sent.
 */
export function dropBody({ body }: Response): void {
  // One that is locked has a reader, whose it is.
  if (body === null || body.locked) return;
  void body.cancel().catch(() => {});
}

/**
 * Passes on what one connection says to another one. It never rejects: a
 * connection ends, somehow.
 *
 * @param from Is read until its end.
 * @param to Is written to.
 * @param pass Given what was read; what it returns is passed on, if anything,
 * before more is read.
 * @param passed Called when that was done.
 */
export async function pipe(
  from: Deno.TcpConn,
  to: Deno.TcpConn,
  pass: (
    bytes: Uint8Array,
  ) => Uint8Array | undefined | Promise<Uint8Array | undefined>,
  passed = () => {},
): Promise<void> {
  const buffer = new Uint8Array(65_536);
  try {
    for (;;) {
      const length = await from.read(buffer);
      if (length === null) return;
      const bytes = await pass(buffer.slice(0, length));
      if (bytes === undefined) continue;
      for (let sent = 0; sent < bytes.length;) {
        sent += await to.write(bytes.subarray(sent));
      }
      passed();
    }
  } catch {
    // Closed, by either side.
  }
}

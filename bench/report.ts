export function terminalTables(r) {
  return "";
}
export async function writeReport(r) {}

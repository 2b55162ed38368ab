/** The line that the server's parser names: "line 2, column 15: ...". */
export function lineOf(fault: string | undefined): number | undefined {
  const found = /\bline (\d+), column \d+/.exec(fault ?? "");
  return found ? Number(found[1]) : undefined;
}

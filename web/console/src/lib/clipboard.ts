/** The clipboard's own interface is there on encrypted pages only; a console on plain HTTP in a local net copies the old way. */
export async function copyText(text: string): Promise<void> {
  if ("clipboard" in navigator && isSecureContext) {
    await navigator.clipboard.writeText(text);
    return;
  }
  const area = document.createElement("textarea");
  area.value = text;
  area.setAttribute("readonly", "");
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}

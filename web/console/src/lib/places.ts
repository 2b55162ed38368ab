// Where things are: everything that is named leads on. Pure.

export function settingAddress(name: string): string {
  return `/system/settings/${encodeURIComponent(name.split(".")[0] ?? "")}?q=${encodeURIComponent(name)}`;
}
export function sessionAddress(id: string): string {
  return `/status/sessions/${encodeURIComponent(id)}`;
}
export function messageAddress(id: string): string {
  return `/messages/${encodeURIComponent(id)}`;
}
/** All messages of an address, of the last days: who follows a link wants to find something. */
export function traceAddress(field: "address" | "ip" | "session", value: string): string {
  return `/trace?q=${encodeURIComponent(`${field}:${value}`)}&span=7d`;
}
/** "OSA88513": as the logs write it. */
export const messageId = /^[A-Z]{3}\d{5}$/;
/** Sixteen hex digits: the key of a message or of a session. */
export const key16 = /^[0-9A-F]{16}$/i;

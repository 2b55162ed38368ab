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
/** What happened with an address on the net, an account or a session, of the last days. */
export function eventsAddress(field: "ip" | "account" | "session", value: string): string {
  return `/status/events?q=${encodeURIComponent(`${field}:${value}`)}&span=7d`;
}
/** Ended sessions of the last days. */
export function historyAddress(q: string): string {
  return `/status/sessions/history?q=${encodeURIComponent(q)}&span=7d`;
}
export function logAddress(service: string, q: string): string {
  return `/status/logs/${service}?q=${encodeURIComponent(q)}`;
}
/** The files of a log, as they lie on the server. */
export function logFilesAddress(service: string): string {
  return `/status/logs/${service}/files`;
}
export function domainAddress(domain: string): string {
  return `/domains/${encodeURIComponent(domain)}`;
}
export function accountAddress(account: string): string {
  return `/accounts/${encodeURIComponent(account)}`;
}
export function ipAddress(ip: string): string {
  return `/ip/${encodeURIComponent(ip)}`;
}
export function hostAddress(host: string): string {
  return `/hosts/${encodeURIComponent(host)}`;
}
export function archiveAddress(field: "address" | "id", value: string): string {
  return `/status/archive?q=${encodeURIComponent(`${field}:${value}`)}&span=30d`;
}
/** The mail of an account where the queue is looked at. */
export function mailboxAddress(account: string, folder: "inbox" | "junk" = "inbox"): string {
  return `/status/queue/mailbox/${encodeURIComponent(account)}/${folder}`;
}
/** Posts that wait for a list's moderators. */
export function moderationAddress(list: string): string {
  return `/status/moderation?q=${encodeURIComponent(`to:${list}`)}`;
}
/** What was changed or looked at: "account a@b.example", "setting smtp.vrfy". */
export function auditAddress(object: string): string {
  return `/system/audit?q=${encodeURIComponent(`object:"${object.replaceAll('"', "")}"`)}`;
}
/** Dotted quads, and what has colons and nothing but hex digits. */
export const ipText = /^(?:\d{1,3}(?:\.\d{1,3}){3}|(?=[^:]*:[^:]*:)[0-9a-f:.]{2,45})$/i;
/** The shape of a name of a host: labels with dots between. */
export const hostText = /^(?=.{4,253}$)[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)+$/i;
/** "OSA88513": as the logs write it. */
export const messageId = /^[A-Z]{3}\d{5}$/;
/** Sixteen hex digits: the key of a message or of a session. */
export const key16 = /^[0-9A-F]{16}$/i;

export const services = ["smtp", "submission", "smtp-client", "pop3", "imap", "managesieve", "control"] as const;

/** Which text log has the lines of a service. */
export function logOf(service: string): string {
  return service === "pop3" || service === "imap" || service === "managesieve" ? service : service === "control" ? "control" : "smtp";
}

// What can be changed of an account, and how it is called where two changes meet.
import type { Account } from "../../api/schema";
import type { Key } from "../../i18n";

export const labels = {
  name: "account.name",
  enabled: "account.enabled",
  kind: "account.kind",
  quota: "account.quota",
  soft_quota: "account.softquota",
  max_message: "account.maxmessage",
  local_only: "account.localonly",
  aliases: "account.aliases",
  role: "account.role",
  admin_domains: "account.admindomains",
  forward_to: "account.forward",
  keep_copy: "account.keepcopy",
  copy_incoming: "account.copyin",
  copy_outgoing: "account.copyout",
  forward_older_to: "older.to",
  forward_older_days: "older.days",
  forward_older_delete: "older.delete",
  null_mailbox: "account.null",
  list_post: "list.post",
  list_owner: "list.owner",
  list_moderators: "list.moderators",
  list_query: "list.query",
  list_moderate: "list.moderate",
  list_one_click: "list.oneclick",
  max_messages_hour: "account.perhour",
  max_messages_day: "account.messagesday",
  max_recipients_hour: "account.recipientshour",
  max_recipients_day: "account.perday",
  auto_reply: "reply.text",
  auto_reply_subject: "reply.subject",
  auto_reply_from: "reply.from",
  auto_reply_until: "reply.until",
  auto_reply_days: "reply.days",
} as const satisfies Partial<Record<keyof Account, Key>>;

export type Editable = Pick<Account, keyof typeof labels>;
export const editable = Object.keys(labels) as (keyof Editable)[];
export const kinds = ["user", "list", "group"] as const satisfies readonly Account["kind"][];

/** A form over an account, for the parts of its page. */
export interface AccountForm {
  value: Editable;
  set: (change: Partial<Editable>) => void;
  /** The server's word on a field. */
  faultOf: (field: keyof Editable) => string | undefined;
}

// Fields of an account that is a person's: what it may send, where its mail goes besides, what answers for it.
import { useText } from "../../i18n";
import { Field } from "../../ui/Field";
import type { AccountForm, Editable } from "./editable";
import { Check, LinesField, NumberField, SizeField } from "./fields";

const roles = ["user", "domain-admin", "system-admin"] as const;
const mostMessages = 1_000_000_000;
const mostDays = 365;
const oldest = 36500;

function Limits({ form: { value: v, set, faultOf } }: { form: AccountForm }) {
  const t = useText();
  return (
    <fieldset>
      <legend className="med">{t("account.limits")}</legend>
      <Check label={t("account.localonly")} hint={t("account.localonly.hint")} checked={v.local_only} onChange={(local_only) => { set({ local_only }); }} />
      <div className="two">
        <SizeField label={t("account.maxmessage")} hint={t("account.maxmessage.hint")} value={v.max_message} error={faultOf("max_message")} onChange={(max_message) => { set({ max_message }); }} />
        <NumberField label={t("account.perhour")} hint={t("account.perany.hint")} value={v.max_messages_hour} max={mostMessages} error={faultOf("max_messages_hour")} onChange={(max_messages_hour) => { set({ max_messages_hour }); }} />
        <NumberField label={t("account.messagesday")} hint={t("account.perany.hint")} value={v.max_messages_day} max={mostMessages} error={faultOf("max_messages_day")} onChange={(max_messages_day) => { set({ max_messages_day }); }} />
        <NumberField label={t("account.recipientshour")} hint={t("account.perany.hint")} value={v.max_recipients_hour} max={mostMessages} error={faultOf("max_recipients_hour")} onChange={(max_recipients_hour) => { set({ max_recipients_hour }); }} />
        <NumberField label={t("account.perday")} hint={t("account.perany.hint")} value={v.max_recipients_day} max={mostMessages} error={faultOf("max_recipients_day")} onChange={(max_recipients_day) => { set({ max_recipients_day }); }} />
      </div>
    </fieldset>
  );
}

function Forwarding({ form: { value: v, set, faultOf } }: { form: AccountForm }) {
  const t = useText();
  return (
    <fieldset>
      <legend className="med">{t("account.forwarding")}</legend>
      <LinesField label={t("account.forward")} hint={t("account.forward.hint")} value={v.forward_to} error={faultOf("forward_to")} onChange={(forward_to) => { set({ forward_to }); }} />
      <Check label={t("account.keepcopy")} hint={t("account.keepcopy.hint")} checked={v.keep_copy} onChange={(keep_copy) => { set({ keep_copy }); }} />
      <Check label={t("account.null")} hint={t("account.null.hint")} checked={v.null_mailbox} onChange={(null_mailbox) => { set({ null_mailbox }); }} />
      <div className="two">
        <LinesField label={t("account.copyin")} hint={t("account.copies.hint")} value={v.copy_incoming} error={faultOf("copy_incoming")} onChange={(copy_incoming) => { set({ copy_incoming }); }} />
        <LinesField label={t("account.copyout")} hint={t("account.copies.hint")} value={v.copy_outgoing} error={faultOf("copy_outgoing")} onChange={(copy_outgoing) => { set({ copy_outgoing }); }} />
      </div>
    </fieldset>
  );
}

function Older({ form: { value: v, set, faultOf } }: { form: AccountForm }) {
  const t = useText();
  return (
    <fieldset>
      <legend className="med">{t("older.title")}</legend>
      <div className="two">
        <NumberField label={t("older.days")} hint={t("older.days.hint")} value={v.forward_older_days} max={oldest} error={faultOf("forward_older_days")} onChange={(forward_older_days) => { set({ forward_older_days }); }} />
        <LinesField label={t("older.to")} hint={t("older.to.hint")} value={v.forward_older_to} error={faultOf("forward_older_to")} onChange={(forward_older_to) => { set({ forward_older_to }); }} />
      </div>
      <Check label={t("older.delete")} hint={t("older.delete.hint")} checked={v.forward_older_delete} onChange={(forward_older_delete) => { set({ forward_older_delete }); }} />
    </fieldset>
  );
}

function Reply({ form: { value: v, set, faultOf } }: { form: AccountForm }) {
  const t = useText();
  return (
    <fieldset>
      <legend className="med">{t("reply.title")}</legend>
      <Field label={t("reply.text")} hint={t("reply.text.hint")} error={faultOf("auto_reply")}>
        {(p) => <textarea {...p} rows={4} value={v.auto_reply} onChange={(e) => { set({ auto_reply: e.target.value }); }} />}
      </Field>
      <div className="two">
        <Field label={t("reply.subject")} hint={t("reply.subject.hint")} error={faultOf("auto_reply_subject")} value={v.auto_reply_subject} maxLength={200} onChange={(e) => { set({ auto_reply_subject: e.target.value }); }} autoComplete="off" />
        <NumberField label={t("reply.days")} hint={t("reply.days.hint")} zero value={v.auto_reply_days} max={mostDays} error={faultOf("auto_reply_days")} onChange={(auto_reply_days) => { set({ auto_reply_days }); }} />
        <Field label={t("reply.from")} hint={t("reply.from.hint")} error={faultOf("auto_reply_from")} type="date" value={v.auto_reply_from} onChange={(e) => { set({ auto_reply_from: e.target.value }); }} />
        <Field label={t("reply.until")} hint={t("reply.until.hint")} error={faultOf("auto_reply_until")} type="date" value={v.auto_reply_until} onChange={(e) => { set({ auto_reply_until: e.target.value }); }} />
      </div>
    </fieldset>
  );
}

function Rights({ form: { value: v, set, faultOf } }: { form: AccountForm }) {
  const t = useText();
  return (
    <div className="two">
      <Field label={t("account.role")} hint={t("account.role.hint")} error={faultOf("role")}>
        {(p) => (
          <select {...p} value={v.role} onChange={(e) => { set({ role: e.target.value as Editable["role"] }); }}>
            {roles.map((r) => <option key={r} value={r}>{t(`role.${r}`)}</option>)}
          </select>
        )}
      </Field>
      <LinesField label={t("account.admindomains")} hint={t("account.admindomains.hint")} value={v.admin_domains} error={faultOf("admin_domains")} disabled={v.role !== "domain-admin"} onChange={(admin_domains) => { set({ admin_domains }); }} />
    </div>
  );
}

export function UserFields({ form, system }: { form: AccountForm; system: boolean }) {
  return (
    <>
      <Limits form={form} />
      <Forwarding form={form} />
      <Older form={form} />
      <Reply form={form} />
      {system && <Rights form={form} />}
    </>
  );
}

import { useState } from "react";
import { api, request } from "../../api/client";
import type { Domain as DomainValue } from "../../api/schema";
import { useMay } from "../../app/me";
import { useText, type Key } from "../../i18n";
import { formatBytes } from "../../lib/format";
import { auditAddress } from "../../lib/places";
import { useResource } from "../../lib/resource";
import { Link } from "../../lib/router";
import { Field } from "../../ui/Field";
import { Raw } from "../../ui/Raw";
import { Aliases } from "./Aliases";
import { ObjectPage } from "./ObjectPage";
import { Check, faultOf, NumberField, SizeField } from "./fields";
import { useObject } from "./useobject";

const limits = {
  max_messages_hour: "domain.each.messageshour",
  max_messages_day: "domain.each.messagesday",
  max_recipients_hour: "domain.each.recipientshour",
  max_recipients_day: "domain.each.recipientsday",
  total_messages_hour: "domain.total.messageshour",
  total_messages_day: "domain.total.messagesday",
  total_recipients_hour: "domain.total.recipientshour",
  total_recipients_day: "domain.total.recipientsday",
} as const satisfies Partial<Record<keyof DomainValue, Key>>;
type Limit = keyof typeof limits;
const most = 1_000_000_000;

type Editable = Pick<DomainValue, "enabled" | "primary" | "unknown" | "unknown_to" | "quota" | "total_quota" | "max_message" | "type" | "backup_host" | "fetched_by" | Limit>;
const labels: Record<keyof Editable, Key> = {
  enabled: "account.enabled",
  primary: "domain.primary",
  unknown: "domain.unknown",
  unknown_to: "domain.unknownto",
  quota: "domain.quota",
  total_quota: "domain.totalquota",
  max_message: "account.maxmessage",
  type: "domain.type",
  backup_host: "domain.backuphost",
  fetched_by: "domain.fetchedby",
  ...limits,
};
const list = "/domains";

const types = ["local", "backup"] as const satisfies readonly DomainValue["type"][];

/** Whose the domain is: ours, or another server's whose mail we take while it is away. */
export function TypeField({ value, error, onChange }: { value: DomainValue["type"]; error: string | undefined; onChange: (type: DomainValue["type"]) => void }) {
  const t = useText();
  return (
    <Field label={t("domain.type")} hint={t(`domain.type.${value}.hint`)} error={error}>
      {(p) => (
        <select {...p} value={value} onChange={(e) => { onChange(e.target.value as DomainValue["type"]); }}>
          {types.map((x) => <option key={x} value={x}>{t(`domain.type.${x}`)}</option>)}
        </select>
      )}
    </Field>
  );
}

type References = "" | "remove" | "keep";

/** What becomes of aliases, list members, forwardings of other domains that lead to the one that goes. */
function ReferencesField({ value, onChange }: { value: References; onChange: (references: References) => void }) {
  const t = useText();
  return (
    <Field label={t("domain.references")} hint={t("domain.references.hint")}>
      {(p) => (
        <select {...p} value={value} onChange={(e) => { onChange(e.target.value as References); }}>
          <option value="">{t("domain.references.refuse")}</option>
          <option value="remove">{t("domain.references.remove")}</option>
          <option value="keep">{t("domain.references.keep")}</option>
        </select>
      )}
    </Field>
  );
}

export default function Domain({ params }: { params: Record<string, string> }) {
  const t = useText();
  const name = params["domain"] ?? "";
  const path = { domain: name };
  const mayMessages = useMay("messages:read");
  const mayAudit = useMay("audit:read");
  const [references, setReferences] = useState<References>("");
  const accounts = useResource(`domain accounts ${name}`, (signal) => api.get("/accounts", { query: { domain: name, limit: 1 }, signal }));
  const domain = useObject({
    id: name,
    fields: Object.keys(labels) as (keyof Editable)[],
    read: () => request("get", "/domains/{domain}", { path }),
    write: (changes, etag) => request("patch", "/domains/{domain}", { path, body: changes, ifMatch: etag }),
    remove: () => api.delete("/domains/{domain}", { path, query: { with_accounts: true, ...(references && { references }) } }),
    removed: t("domain.deleted", { domain: name }),
    list,
  });
  const { edit, stored } = domain;
  const v = edit.value;
  const usage = useResource(`domain usage ${name} ${String(stored?.total_quota ?? "")}`, (signal) => api.get("/domains/{domain}/usage", { path, signal }));
  const backup = v?.type === "backup";
  const count = accounts.data?.total.value ?? 0;
  return (
    <ObjectPage
      name={name}
      list={{ to: list, label: t("nav.domains") }}
      icon="at"
      gone={t("domain.gone")}
      object={domain}
      labels={labels}
      links={
        <>
          <Link to={`/accounts?q=${encodeURIComponent(`domain:${name}`)}`}>{t("account.count", { n: count })}</Link>
          {typeof usage.data?.used === "number" && <span className="t2">{t("domain.usage", { size: formatBytes(usage.data.used, t.locale), quota: formatBytes(usage.data.total_quota, t.locale) })}</span>}
          <Link to={`/status/queue?q=${encodeURIComponent(`from:@${name}`)}`}>{t("domain.queue")}</Link>
          {mayMessages && <Link to={`/trace?q=${encodeURIComponent(`@${name}`)}&span=7d`}>{t("account.messages")}</Link>}
          <Link to={`/filters?q=${encodeURIComponent(`owner:${name}`)}`}>{t("nav.rules")}</Link>
          <Link to={`/senders?q=${encodeURIComponent(`owner:${name}`)}`}>{t("nav.senders")}</Link>
          {mayAudit && <Link to={auditAddress(`domain ${name}`)}>{t("account.audit")}</Link>}
        </>
      }
      below={stored?.type === "local" && <Aliases domain={name} />}
      end={{
        title: t("domain.delete.title"),
        verb: t("domain.delete.verb", { n: count }),
        text: (
          <>
            {t.rich("domain.delete.text", { domain: <b className="strong"><Raw>{name}</Raw></b>, n: count })}
            <ReferencesField value={references} onChange={setReferences} />
          </>
        ),
      }}
    >
      {v && (
        <>
          <Check label={t("account.enabled")} hint={t("domain.enabled.hint")} checked={v.enabled} onChange={(enabled) => { edit.set({ enabled }); }} />
          {!backup && <Check label={t("domain.primary")} hint={t("domain.primary.hint")} checked={v.primary} onChange={(primary) => { edit.set({ primary }); }} />}
          <div className="two">
            <TypeField value={v.type} error={faultOf(edit.error, "type")} onChange={(type) => { edit.set({ type, ...(type === "local" && { backup_host: "", fetched_by: "" }) }); }} />
            {backup && <Field label={t("domain.backuphost")} hint={t("domain.backuphost.hint")} error={faultOf(edit.error, "backup_host")} value={v.backup_host} onChange={(e) => { edit.set({ backup_host: e.target.value }); }} autoComplete="off" spellCheck={false} />}
            {backup && <Field label={t("domain.fetchedby")} hint={t("domain.fetchedby.hint")} error={faultOf(edit.error, "fetched_by")} value={v.fetched_by} onChange={(e) => { edit.set({ fetched_by: e.target.value }); }} autoComplete="off" spellCheck={false} />}
          </div>
          {!backup && (
            <div className="two">
              <Field label={t("domain.unknown")} hint={t("domain.unknown.hint")} error={faultOf(edit.error, "unknown")}>
                {(p) => (
                  <select {...p} value={v.unknown} onChange={(e) => { edit.set({ unknown: e.target.value as Editable["unknown"] }); }}>
                    {(["reject", "forward", "delete"] as const).map((x) => <option key={x} value={x}>{t(`domain.unknown.${x}`)}</option>)}
                  </select>
      
          )}
            </Field>
            <Field label={t("domain.unknownto")} hint={t("domain.unknownto.hint")} error={faultOf(edit.error, "unknown_to")} value={v.unknown_to} disabled={v.unknown !== "forward"} onChange={(e) => { edit.set({ unknown_to: e.target.value }); }} autoComplete="off" />
            <SizeField label={t("domain.quota")} hint={t("domain.quota.hint")} value={v.quota} error={faultOf(edit.error, "quota")} onChange={(quota) => { edit.set({ quota }); }} />
            <SizeField label={t("domain.totalquota")} hint={t("domain.totalquota.hint")} value={v.total_quota} error={faultOf(edit.error, "total_quota")} onChange={(total_quota) => { edit.set({ total_quota }); }} />
            <SizeField label={t("account.maxmessage")} hint={t("domain.maxmessage.hint")} value={v.max_message} error={faultOf(edit.error, "max_message")} onChange={(max_message) => { edit.set({ max_message }); }} />
          </div>
          )}
          {!backup && (
            <fieldset>
              <legend className="med">{t("account.limits")}</legend>
              <div className="two">
                {(Object.keys(limits) as Limit[]).map((x) => (
                  <NumberField key={x} label={t(limits[x])} hint={t(x.startsWith("max") ? "account.perany.hint" : "domain.total.hint")} value={v[x]} max={most} error={faultOf(edit.error, x)} onChange={(n) => { edit.set({ [x]: n }); }} />
                ))}
              </div>
            </fieldset>
          )}
        </>
      )}
    </ObjectPage>
  );
}

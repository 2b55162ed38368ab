import { useState } from "react";
import { api, request, type Result } from "../../api/client";
import type { Domain as DomainValue } from "../../api/schema";
import { useMay } from "../../app/me";
import { useText, type Key } from "../../i18n";
import { useEditor } from "../../lib/editor";
import { auditAddress } from "../../lib/places";
import { useResource } from "../../lib/resource";
import { Link, navigate } from "../../lib/router";
import { toast } from "../../lib/toast";
import { ConfirmDialog } from "../../ui/ConfirmDialog";
import { Field } from "../../ui/Field";
import { Icon } from "../../ui/Icon";
import { Raw } from "../../ui/Raw";
import { failed } from "../../ui/States";
import { Aliases } from "./Aliases";
import { ObjectPage } from "./ObjectPage";
import { Check, faultOf, SizeField } from "./fields";

type Editable = Pick<DomainValue, "enabled" | "primary" | "unknown" | "unknown_to" | "quota" | "max_message">;
const labels: Record<keyof Editable, Key> = {
  enabled: "account.enabled",
  primary: "domain.primary",
  unknown: "domain.unknown",
  unknown_to: "domain.unknownto",
  quota: "domain.quota",
  max_message: "account.maxmessage",
};
const only = (r: Result<DomainValue>): Result<Editable> => ({
  ...r,
  data: { enabled: r.data.enabled, primary: r.data.primary, unknown: r.data.unknown, unknown_to: r.data.unknown_to, quota: r.data.quota, max_message: r.data.max_message },
});

export default function Domain({ params }: { params: Record<string, string> }) {
  const t = useText();
  const name = params["domain"] ?? "";
  const path = { domain: name };
  const mayMessages = useMay("messages:read");
  const mayAudit = useMay("audit:read");
  const [removing, setRemoving] = useState(false);
  const whole = useResource(`domain ${name}`, (signal) => api.get("/domains/{domain}", { path, signal }));
  const accounts = useResource(`domain accounts ${name}`, (signal) => api.get("/accounts", { query: { domain: name, limit: 1 }, signal }));
  const edit = useEditor<Editable>(
    name,
    async () => only(await request("get", "/domains/{domain}", { path })),
    async (changes, etag) => only(await request("patch", "/domains/{domain}", { path, body: changes, ifMatch: etag })),
  );
  const v = edit.value;
  const mayChange = whole.data?.actions.includes("change") ?? false;
  const count = accounts.data?.total.value ?? 0;
  const remove = () => {
    api.delete("/domains/{domain}", { path, query: { with_accounts: true } }).then(
      () => {
        toast(t("domain.deleted", { domain: name }));
        navigate("/domains");
      },
      (e: unknown) => { failed(e, t); },
    );
  };
  return (
    <>
      <ObjectPage
        name={name}
        list={{ to: "/domains", label: t("nav.domains") }}
        icon="at"
        gone={t("domain.gone")}
        edit={edit}
        labels={labels}
        mayChange={mayChange}
        actions={
          <>
            {whole.data?.actions.includes("delete") && <button type="button" className="btn danger" onClick={() => { setRemoving(true); }}><Icon name="trash" />{t("delete")}</button>}
          </>
        }
        links={
          <>
            <Link to={`/accounts?q=${encodeURIComponent(`domain:${name}`)}`}>{t("account.count", { n: count })}</Link>
            <Link to={`/status/queue?q=${encodeURIComponent(`from:@${name}`)}`}>{t("domain.queue")}</Link>
            {mayMessages && <Link to={`/trace?q=${encodeURIComponent(`@${name}`)}&span=7d`}>{t("account.messages")}</Link>}
            {mayAudit && <Link to={auditAddress(`domain ${name}`)}>{t("account.audit")}</Link>}
          </>
        }
        below={<Aliases domain={name} />}
      >
        {v && (
          <>
            <Check label={t("account.enabled")} hint={t("domain.enabled.hint")} checked={v.enabled} onChange={(enabled) => { edit.set({ enabled }); }} />
            <Check label={t("domain.primary")} hint={t("domain.primary.hint")} checked={v.primary} onChange={(primary) => { edit.set({ primary }); }} />
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
              <SizeField label={t("account.maxmessage")} hint={t("domain.maxmessage.hint")} value={v.max_message} error={faultOf(edit.error, "max_message")} onChange={(max_message) => { edit.set({ max_message }); }} />
            </div>
          </>
        )}
      </ObjectPage>
      {removing && (
        <ConfirmDialog title={t("domain.delete.title")} word={name} verb={t("domain.delete.verb", { n: count })} onClose={() => { setRemoving(false); }} onConfirm={remove}>
          {t.rich("domain.delete.text", { domain: <b className="strong"><Raw>{name}</Raw></b>, n: count })}
        </ConfirmDialog>
      )}
    </>
  );
}

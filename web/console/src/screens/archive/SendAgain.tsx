// An archived message once more: into the mailboxes that have lost it, or to somebody who shall have it.
import { useState } from "react";
import { api, ApiError } from "../../api/client";
import type { ArchivedMessage } from "../../api/schema";
import { useText } from "../../i18n";
import { toast } from "../../lib/toast";
import { Dialog } from "../../ui/Dialog";
import { ErrorNote } from "../../ui/States";
import { faultOf, generalFault, LinesField } from "../directory/fields";

const most = 100;

export function SendAgain({ message: m, onClose }: { message: ArchivedMessage; onClose: () => void }) {
  const t = useText();
  const [to, setTo] = useState<string[]>(() => [...new Set(m.recipients.filter((r) => r.local).map((r) => r.address))].slice(0, most));
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<ApiError>();
  const submit = async () => {
    setBusy(true);
    setError(undefined);
    try {
      const made = await api.post("/archive/messages/{name}/send", { path: { name: m.name }, body: { to } });
      toast(t("archive.sent", { id: made?.id ?? "" }));
      onClose();
    } catch (e) {
      if (e instanceof ApiError) setError(e);
      setBusy(false);
    }
  };
  const general = generalFault(error, ["to"]);
  return (
    <Dialog title={t("archive.send")} onClose={onClose}>
      <form className="form" onSubmit={(e) => { e.preventDefault(); void submit(); }}>
        {general && <ErrorNote error={general} />}
        <p>{t("archive.send.text")}</p>
        <LinesField label={t("archive.send.to")} hint={t("archive.send.hint")} value={to} error={faultOf(error, "to")} onChange={setTo} />
        <div className="acts-row">
          <button type="button" className="btn" onClick={onClose}>{t("cancel")}</button>
          <button type="submit" className="btn pri" disabled={busy || to.length === 0}>{t("archive.send")}</button>
        </div>
      </form>
    </Dialog>
  );
}

// Into whose list the senders of messages go.
import { useState } from "react";
import type { ApiError } from "../../api/client";
import { useMe } from "../../app/me";
import { useText } from "../../i18n";
import { Dialog } from "../../ui/Dialog";
import { ErrorNote } from "../../ui/States";
import { faultOf, generalFault } from "../directory/fields";
import { OwnerField } from "../senders/SenderForm";
import type { SenderAct } from "./actions";

export function SenderAction({ action, n, error, onClose, onConfirm }: {
  action: SenderAct;
  n: number;
  error: ApiError | undefined;
  onClose: () => void;
  onConfirm: (owner: string) => void;
}) {
  const t = useText();
  const me = useMe();
  const [owner, setOwner] = useState(me.role === "domain-admin" ? (me.domains?.[0] ?? "") : "server");
  const general = generalFault(error, ["owner"]);
  return (
    <Dialog title={t(`queue.act.${action}`)} onClose={onClose}>
      <form className="form" onSubmit={(e) => { e.preventDefault(); onConfirm(owner.trim()); }}>
        {general && <ErrorNote error={general} />}
        <p>{t(`queue.${action}.text`, { n })}</p>
        <OwnerField value={owner} error={faultOf(error, "owner")} onChange={setOwner} />
        <div className="acts-row">
          <button type="button" className="btn" onClick={onClose}>{t("cancel")}</button>
          <button type="submit" className="btn pri">{t(`queue.act.${action}`)}</button>
        </div>
      </form>
    </Dialog>
  );
}

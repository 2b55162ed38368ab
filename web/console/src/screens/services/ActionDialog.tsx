import { useState } from "react";
import type { Service } from "../../api/schema";
import { useText } from "../../i18n";
import { ConfirmDialog } from "../../ui/ConfirmDialog";
import type { Action } from "./actions";
import { serviceLabel } from "./names";

/** Before sessions are ended. `together`: the services of the module. */
export function ActionDialog({ s, action, together, mayRemember, onClose, onConfirm }: {
  s: Service;
  action: Exclude<Action, "start">;
  together: readonly Service[];
  mayRemember: boolean;
  onClose: () => void;
  onConfirm: (remember: boolean) => void;
}) {
  const t = useText();
  const [remember, setRemember] = useState(false);
  const service = serviceLabel(s.service, t);
  if (action === "restart_module") {
    const names = together.map((x) => serviceLabel(x.service, t)).join(", ");
    const n = together.reduce((sum, x) => sum + x.sessions, 0);
    return (
      <ConfirmDialog title={t("service.restart.title", { module: s.module })} verb={t("service.restart")} onClose={onClose} onConfirm={() => { onConfirm(false); }}>
        {s.module === "control" ? t("service.restart.self") : t("service.restart.text", { services: names, n })}
      </ConfirmDialog>
    );
  }
  return (
    <ConfirmDialog title={action === "stop" ? t("service.stop.title", { service }) : t("service.restart.one.title", { service })} verb={t(`service.${action}.verb`)} onClose={onClose} onConfirm={() => { onConfirm(remember); }}>
      <p>{action === "stop" ? t("service.stop.text", { n: s.sessions }) : t("service.restart.one.text", { n: s.sessions })}</p>
      {action === "stop" && mayRemember && (
        <label className="row">
          <input type="checkbox" className="sw" checked={remember} onChange={(e) => { setRemember(e.target.checked); }} />
          {t("service.stop.remember")}
        </label>
      )}
    </ConfirmDialog>
  );
}

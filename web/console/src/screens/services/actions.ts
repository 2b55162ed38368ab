// What can be done with a service: one call each, and what is said about it.
import { api } from "../../api/client";
import type { Service } from "../../api/schema";
import type { Text } from "../../i18n";
import { toast } from "../../lib/toast";
import { failed } from "../../ui/States";
import { serviceLabel } from "./names";

export type Action = "start" | "stop" | "restart" | "restart_module";

export function act(s: Service, action: Action, remember: boolean, t: Text, onDone: () => void): void {
  const body = remember ? { action, remember } : { action };
  api.post("/services/{service}/actions", { path: { service: s.service }, body }).then(
    () => {
      if (action !== "restart_module") toast(t(`service.${action}.done`, { service: serviceLabel(s.service, t) }));
      else toast(s.module === "control" ? t("service.restarting.self") : t("service.restarting", { module: s.module }));
      onDone();
    },
    (e: unknown) => { failed(e, t); },
  );
}

// What can be done with a service: one call each, and what is said about it.
import { api, ApiError } from "../../api/client";
import type { Service } from "../../api/schema";
import type { Text } from "../../i18n";
import { toast } from "../../lib/toast";
import { failed } from "../../ui/States";
import { serviceLabel } from "./names";

export type Action = "start" | "stop" | "restart" | "restart_module";

export function act(s: Service, action: Action, remember: boolean, t: Text, onDone: () => void): void {
  const body = remember ? { action, remember } : { action };
  const done = () => {
    if (action !== "restart_module") toast(t(`service.${action}.done`, { service: serviceLabel(s.service, t) }));
    else toast(s.module === "control" ? t("service.restarting.self") : t("service.restarting", { module: s.module }));
    onDone();
  };
  api.post("/services/{service}/actions", { path: { service: s.service }, body }).then(
    done,
    (e: unknown) => {
      // The module that would answer is the one that went.
      if (action === "restart_module" && s.module === "control" && e instanceof ApiError && e.status === 0) done();
      else failed(e, t);
    },
  );
}

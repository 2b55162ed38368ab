import type { Service } from "../../api/schema";
import type { Text } from "../../i18n";
import { Badge } from "../../ui/Badge";

export function serviceLabel(service: string, t: Text): string {
  const key = `service.${service}`;
  return t.has(key) ? t(key) : service;
}
export function moduleLabel(module: string, t: Text): string {
  const key = `module.${module}`;
  return t.has(key) ? t(key) : module;
}

export function ServiceState({ s, t }: { s: Service; t: Text }) {
  if (s.state === "silent") return <Badge tone="bad" icon="alert">{t("service.silent")}</Badge>;
  if (s.state === "stopped") return <Badge tone="idle" icon="stop">{t("service.stopped")}</Badge>;
  if (s.state === "stopping") return <Badge tone="warn" icon="clock">{t("service.stopping")}</Badge>;
  if (s.bindings.some((b) => b.fault)) return <Badge tone="warn" icon="alert">{t("service.partly")}</Badge>;
  return <Badge tone="ok" icon="check">{t("service.running")}</Badge>;
}

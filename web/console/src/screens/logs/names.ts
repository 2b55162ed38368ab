import type { Text } from "../../i18n";

export function logLabel(service: string, t: Text): string {
  const key = `log.${service}`;
  return t.has(key) ? t(key) : service.toUpperCase();
}

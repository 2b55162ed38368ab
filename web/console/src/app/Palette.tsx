// One search for everything. Screens and commands answer at once; what the server knows streams in after.
import { useMemo, useState } from "react";
import { useText } from "../i18n";
import { preference } from "../lib/prefs";
import { navigate } from "../lib/router";
import { Chooser, type ChooserEntry, type ChooserGroup } from "../ui/Chooser";
import { useMe } from "./me";
import { menuOf } from "./nav";
import { knownByLooks, useFound, type Found } from "./search";

const recentKey = "recent";
function recentFinds(): Found[] {
  try {
    return JSON.parse(preference.get(recentKey) || "[]") as Found[];
  } catch {
    return [];
  }
}

type Entry = ChooserEntry & { to: string };
type Group = ChooserGroup<Entry>;

export function Palette({ onClose }: { onClose: () => void }) {
  const t = useText();
  const me = useMe();
  const [text, setText] = useState("");
  const told = useFound(text);
  const found = useMemo(() => [...told, ...knownByLooks(text).filter((f) => me.scopes.includes(f.kind === "ip" ? "sessions:read" : "queue:read"))], [told, text, me]);

  const groups = useMemo<Group[]>(() => {
    const words = text.trim().toLowerCase();
    const entry = (f: Found) => ({ id: f.to + f.title, icon: f.icon, title: f.title, detail: f.detail, to: f.to, raw: true });
    if (!words) {
      const recent = recentFinds();
      return recent.length ? [{ label: t("find.recent"), entries: recent.map(entry) }] : [];
    }
    const out: Group[] = [];
    for (const kind of ["message", "account", "domain", "session", "ip", "host", "setting"] as const) {
      const entries = found.filter((f) => f.kind === kind).map(entry);
      if (entries.length) out.push({ label: t(`find.${kind}`), entries });
    }
    const screens = menuOf(me)
      .flatMap((g) => g.items)
      .filter((i) => t(i.label).toLowerCase().includes(words))
      .map((i) => ({ id: `${i.to} screen`, icon: i.icon, title: t(i.label), detail: "", to: i.to, raw: false }));
    if (screens.length) out.push({ label: t("find.screens"), entries: screens });
    const actions: Entry[] = [];
    if (me.scopes.includes("messages:read")) {
      const to = `/trace?q=${encodeURIComponent(/^\S+@\S+$/.test(text.trim()) ? `address:${text.trim()}` : text.trim())}&span=7d`;
      actions.push({ id: "trace", icon: "trace", title: t("find.trace", { text: text.trim() }), detail: "", to, raw: false });
    }
    if (me.scopes.includes("logs:read"))
      actions.push({ id: "logs", icon: "search", title: t("find.logs", { text: text.trim() }), detail: "", to: `/status/logs/smtp?q=${encodeURIComponent(text.trim())}`, raw: false });
    if (actions.length) out.push({ label: t("find.actions"), entries: actions });
    return out;
  }, [text, found, t, me]);

  const open = (e: Entry, tab: boolean) => {
    const hit = found.find((f) => f.to === e.to);
    if (hit) preference.set(recentKey, JSON.stringify([hit, ...recentFinds().filter((f) => f.to !== hit.to)].slice(0, 6)));
    if (tab) window.open(e.to, "_blank", "noopener");
    else {
      onClose();
      navigate(e.to);
    }
  };
  return (
    <Chooser
      label={t("find")}
      placeholder={t("find.placeholder")}
      text={text}
      onText={setText}
      groups={groups}
      nothing={text ? t("find.nothing") : t("find.hint")}
      verb={t("find.open")}
      newTab
      onChoose={open}
      onClose={onClose}
    />
  );
}

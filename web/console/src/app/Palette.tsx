// One search for everything. Screens and commands answer at once; what the server knows streams in after.
import { useEffect, useMemo, useRef, useState } from "react";
import { Dialog as AriaDialog, Modal, ModalOverlay } from "react-aria-components";
import { useText } from "../i18n";
import { visible } from "../lib/bidi";
import { preference } from "../lib/prefs";
import { navigate } from "../lib/router";
import { Icon } from "../ui/Icon";
import type { IconName } from "../ui/icons";
import { Raw } from "../ui/Raw";
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

interface Group {
  label: string;
  entries: { icon: IconName; title: string; detail: string; to: string; raw: boolean }[];
}

export function Palette({ onClose }: { onClose: () => void }) {
  const t = useText();
  const me = useMe();
  const [text, setText] = useState("");
  const [at, setAt] = useState(0);
  const told = useFound(text);
  const found = useMemo(() => [...told, ...knownByLooks(text).filter((f) => me.scopes.includes(f.kind === "ip" ? "sessions:read" : "queue:read"))], [told, text, me]);
  const list = useRef<HTMLDivElement>(null);

  const groups = useMemo<Group[]>(() => {
    const words = text.trim().toLowerCase();
    const entry = (f: Found) => ({ icon: f.icon, title: f.title, detail: f.detail, to: f.to, raw: true });
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
      .map((i) => ({ icon: i.icon, title: t(i.label), detail: "", to: i.to, raw: false }));
    if (screens.length) out.push({ label: t("find.screens"), entries: screens });
    const actions: Group["entries"] = [];
    if (me.scopes.includes("messages:read")) {
      const to = `/trace?q=${encodeURIComponent(/^\S+@\S+$/.test(text.trim()) ? `address:${text.trim()}` : text.trim())}&span=7d`;
      actions.push({ icon: "trace", title: t("find.trace", { text: text.trim() }), detail: "", to, raw: false });
    }
    if (me.scopes.includes("logs:read"))
      actions.push({ icon: "search", title: t("find.logs", { text: text.trim() }), detail: "", to: `/status/logs/smtp?q=${encodeURIComponent(text.trim())}`, raw: false });
    if (actions.length) out.push({ label: t("find.actions"), entries: actions });
    return out;
  }, [text, found, t, me]);

  const flat = groups.flatMap((g) => g.entries);
  const chosen = Math.min(at, flat.length - 1);
  useEffect(() => {
    list.current?.querySelector("[aria-selected=true]")?.scrollIntoView({ block: "nearest" });
  }, [chosen]);

  const open = (i: number, tab: boolean) => {
    const e = flat[i];
    if (!e) return;
    const hit = found.find((f) => f.to === e.to);
    if (hit) preference.set(recentKey, JSON.stringify([hit, ...recentFinds().filter((f) => f.to !== hit.to)].slice(0, 6)));
    if (tab) window.open(e.to, "_blank", "noopener");
    else {
      onClose();
      navigate(e.to);
    }
  };

  let n = 0;
  return (
    <ModalOverlay isOpen isDismissable onOpenChange={(o) => { if (!o) onClose(); }} className="scrim">
      <Modal className="pal">
        <AriaDialog aria-label={t("find")} data-modal="" className="pal-dlg">
          <div className="in">
            <Icon name="search" />
            <input
              autoFocus
              role="combobox"
              aria-expanded={flat.length > 0}
              aria-controls="pal-l"
              aria-activedescendant={flat.length ? `pal-${chosen}` : undefined}
              aria-autocomplete="list"
              aria-label={t("find")}
              placeholder={t("find.placeholder")}
              autoComplete="off"
              spellCheck={false}
              value={text}
              onChange={(e) => { setText(e.target.value); setAt(0); }}
              onKeyDown={(e) => {
                if (e.key === "ArrowDown") setAt(flat.length ? (chosen + 1) % flat.length : 0);
                else if (e.key === "ArrowUp") setAt(flat.length ? (chosen - 1 + flat.length) % flat.length : 0);
                else if (e.key === "Enter") open(chosen, e.ctrlKey || e.metaKey);
                else return;
                e.preventDefault();
              }}
            />
            <kbd aria-hidden="true">Esc</kbd>
          </div>
          <div className="pal-list" ref={list} tabIndex={0}>
            <div id="pal-l" role="listbox" aria-label={t("find.results")}>
              {groups.map((g) => (
                <div key={g.label} role="group" aria-label={g.label}>
                  <div className="h3" aria-hidden="true">{g.label}</div>
                  <ul role="presentation">
                    {g.entries.map((e) => {
                      const i = n++;
                      return (
                        <li key={e.to + e.title} id={`pal-${i}`} role="option" aria-selected={i === chosen} onMouseMove={() => { setAt(i); }} onClick={(ev) => { open(i, ev.ctrlKey || ev.metaKey); }}>
                          <Icon name={e.icon} />
                          <span className="ell" translate={e.raw ? "no" : undefined} dir="auto">{visible(e.title)}</span>
                          <span className="grow" />
                          <Raw className="t3 ell">{e.detail}</Raw>
                        </li>
                      );
                    })}
                  </ul>
                </div>
              ))}
            </div>
            {flat.length === 0 && <p className="nothing" role="status">{text ? t("find.nothing") : t("find.hint")}</p>}
          </div>
          <div className="ft" aria-hidden="true">
            <span><kbd>↑</kbd> <kbd>↓</kbd> {t("find.choose")}</span>
            <span><kbd>↵</kbd> {t("find.open")}</span>
            <span className="deskonly"><kbd>ctrl ↵</kbd> {t("find.newtab")}</span>
          </div>
        </AriaDialog>
      </Modal>
    </ModalOverlay>
  );
}

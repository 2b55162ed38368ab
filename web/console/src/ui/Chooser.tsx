// One field that searches, and what it has found in groups below: chosen by arrows and Enter, or by the mouse.
import { useEffect, useRef, useState } from "react";
import { Dialog as AriaDialog, Modal, ModalOverlay } from "react-aria-components";
import { useText } from "../i18n";
import { visible } from "../lib/bidi";
import { Icon } from "./Icon";
import type { IconName } from "./icons";
import { Raw } from "./Raw";

export interface ChooserEntry {
  id: string;
  icon: IconName;
  title: string;
  detail: string;
  /** The title is nobody's language. */
  raw: boolean;
  /** Shown, but not to be chosen: the detail says why. */
  off?: boolean;
}
export interface ChooserGroup<E extends ChooserEntry> {
  label: string;
  entries: readonly E[];
}

export function Chooser<E extends ChooserEntry>({ label, placeholder, text, onText, groups, total, pending = false, nothing, verb, newTab = false, onChoose, onClose }: {
  label: string;
  placeholder: string;
  text: string;
  onText: (text: string) => void;
  groups: readonly ChooserGroup<E>[];
  /** How many there are, shown or not: told to who does not see the list. */
  total?: number | undefined;
  /** The entries are not yet those of the text: Enter waits for them. */
  pending?: boolean;
  /** What is said without any entry. */
  nothing: string;
  /** What Enter does. */
  verb: string;
  /** With Ctrl it opens another tab. */
  newTab?: boolean;
  onChoose: (entry: E, tab: boolean) => void;
  onClose: () => void;
}) {
  const t = useText();
  const [at, setAt] = useState(0);
  const list = useRef<HTMLDivElement>(null);
  const flat = groups.flatMap((g) => g.entries);
  const chosen = Math.min(at, flat.length - 1);
  useEffect(() => {
    list.current?.querySelector("[aria-selected=true]")?.scrollIntoView({ block: "nearest" });
  }, [chosen]);
  const choose = (i: number, tab: boolean) => {
    const e = flat[i];
    if (e && !e.off) onChoose(e, tab && newTab);
  };
  const [entered, setEntered] = useState<"" | "here" | "tab">("");
  useEffect(() => {
    if (pending || !entered) return;
    setEntered("");
    choose(chosen, entered === "tab");
  });
  let n = 0;
  return (
    <ModalOverlay isOpen isDismissable onOpenChange={(o) => { if (!o) onClose(); }} className="scrim">
      <Modal className="pal">
        <AriaDialog aria-label={label} data-modal="" className="pal-dlg">
          <div className="in">
            <Icon name="search" />
            <input
              autoFocus
              role="combobox"
              aria-expanded={flat.length > 0}
              aria-controls="pal-l"
              aria-activedescendant={flat.length ? `pal-${chosen}` : undefined}
              aria-autocomplete="list"
              aria-label={label}
              placeholder={placeholder}
              autoComplete="off"
              spellCheck={false}
              value={text}
              onChange={(e) => { onText(e.target.value); setAt(0); setEntered(""); }}
              onKeyDown={(e) => {
                if (e.nativeEvent.isComposing) return;
                if (e.key === "ArrowDown") setAt(flat.length ? (chosen + 1) % flat.length : 0);
                else if (e.key === "ArrowUp") setAt(flat.length ? (chosen - 1 + flat.length) % flat.length : 0);
                else if (e.key === "Enter" && pending) setEntered(e.ctrlKey || e.metaKey ? "tab" : "here");
                else if (e.key === "Enter") choose(chosen, e.ctrlKey || e.metaKey);
                else return;
                e.preventDefault();
              }}
            />
            <kbd aria-hidden="true">Esc</kbd>
          </div>
          <div className="pal-list" ref={list} tabIndex={0}>
            {/* The keys stay in the field, whatever is clicked. */}
            <div id="pal-l" role="listbox" aria-label={t("find.results")} aria-busy={pending || undefined} onMouseDown={(e) => { e.preventDefault(); }}>
              {groups.map((g) => (
                <div key={g.label} role="group" aria-label={g.label}>
                  <div className="h3" aria-hidden="true">{g.label}</div>
                  <ul role="presentation">
                    {g.entries.map((e) => {
                      const i = n++;
                      return (
                        <li key={e.id} id={`pal-${i}`} role="option" aria-selected={i === chosen} aria-disabled={e.off} onMouseMove={() => { setAt(i); }} onClick={(ev) => { choose(i, ev.ctrlKey || ev.metaKey); }}>
                          <Icon name={e.icon} />
                          <span className={`ell ${e.off ? "t3" : ""}`} translate={e.raw ? "no" : undefined} dir="auto">{visible(e.title)}</span>
                          <span className="grow" />
                          <Raw className="t3 ell">{e.detail}</Raw>
                        </li>
                      );
                    })}
                  </ul>
                </div>
              ))}
            </div>
            {flat.length === 0 && <p className="nothing" role="status">{nothing}</p>}
            {total !== undefined && <span className="sr" role="status">{flat.length > 0 && !pending && t("find.found", { n: total })}</span>}
          </div>
          <div className="ft" aria-hidden="true">
            <span><kbd>↑</kbd> <kbd>↓</kbd> {t("find.choose")}</span>
            <span><kbd>↵</kbd> {verb}</span>
            {newTab && <span className="deskonly"><kbd>ctrl ↵</kbd> {t("find.newtab")}</span>}
          </div>
        </AriaDialog>
      </Modal>
    </ModalOverlay>
  );
}

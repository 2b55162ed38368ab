import { useEffect, useRef, type ReactNode } from "react";
import { useText } from "../i18n";
import { useKeys } from "../lib/keys";
import { Link } from "../lib/router";
import { Icon } from "./Icon";

/** The right drawer: the list beside it stays usable. Esc closes; the focus goes back to the row it came from. */
export function Drawer({ label, mark, title, sub, page, children, foot, tabs, onClose, width }: {
  label: string;
  mark?: ReactNode;
  title: ReactNode;
  sub?: ReactNode;
  /** Address of the full page. */
  page?: string;
  tabs?: ReactNode;
  children: ReactNode;
  foot?: ReactNode;
  onClose: () => void;
  width?: "narrow";
}) {
  const t = useText();
  const opener = useRef<Element | null>(null);
  const close = () => {
    const back = opener.current;
    onClose();
    requestAnimationFrame(() => {
      const row = document.querySelector<HTMLElement>("tr.cur");
      if (back instanceof HTMLElement && back.isConnected && back !== document.body) back.focus();
      else row?.focus();
    });
  };
  useEffect(() => {
    opener.current = document.activeElement;
  }, []);
  useKeys({ Escape: close });
  return (
    <aside className={`drawer ${width ?? ""}`} aria-label={label}>
      <div className="dh">
        {mark}
        <div className="grow">
          <h2 className="ell">{title}</h2>
          {sub && <div className="t3">{sub}</div>}
        </div>
        {page && <Link to={page} className="ib sm" aria-label={t("drawer.page")} title={t("drawer.page")}><Icon name="expand" /></Link>}
        <button type="button" className="ib sm" aria-label={t("close")} onClick={close}><Icon name="x" /></button>
      </div>
      {tabs}
      <div className="db" tabIndex={0} role="region" aria-label={label}>{children}</div>
      {foot && <div className="df">{foot}</div>}
    </aside>
  );
}

/** Tabs inside a drawer or card: state of the place, moved by arrow keys. */
export function InnerTabs<T extends string>({ label, value, tabs, onChange }: {
  label: string;
  value: T;
  tabs: readonly { id: T; label: ReactNode }[];
  onChange: (id: T) => void;
}) {
  const list = useRef<HTMLDivElement>(null);
  const move = (by: number) => {
    const at = tabs.findIndex((x) => x.id === value);
    const to = tabs[(at + by + tabs.length) % tabs.length];
    if (!to) return;
    onChange(to.id);
    list.current?.querySelector<HTMLElement>(`[data-tab="${to.id}"]`)?.focus();
  };
  return (
    <div
      ref={list}
      className="tabs"
      role="tablist"
      aria-label={label}
      onKeyDown={(e) => {
        if (e.key === "ArrowRight") move(1);
        else if (e.key === "ArrowLeft") move(-1);
        else return;
        e.preventDefault();
      }}
    >
      {tabs.map((x) => (
        <button key={x.id} type="button" role="tab" data-tab={x.id} aria-selected={x.id === value} tabIndex={x.id === value ? 0 : -1} onClick={() => { onChange(x.id); }}>
          {x.label}
        </button>
      ))}
    </div>
  );
}

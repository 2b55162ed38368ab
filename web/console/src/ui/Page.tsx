import { useEffect, useRef, type ReactNode } from "react";
import { useText } from "../i18n";
import type { LiveState } from "../api/live";
import { visible } from "../lib/bidi";
import { useKeys } from "../lib/keys";
import { Link, navigate } from "../lib/router";

export function PageHead({ title, live, children, sub }: { title: string; live?: ReactNode; sub?: ReactNode; children?: ReactNode }) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = `${visible(title)} · Posthorn`;
  }, [title]);
  // A new screen is announced by its heading, unless something on it has taken the focus already.
  useEffect(() => {
    const at = document.activeElement;
    if (!at || at === document.body || at.closest(".side, .botnav, .login")) heading.current?.focus({ preventScroll: true });
  }, []);
  return (
    <div className="ph">
      <h1 tabIndex={-1} ref={heading} dir="auto">{visible(title)}</h1>
      {sub}
      {live}
      <span className="grow" />
      {children}
    </div>
  );
}

/** Live, Held (by you), Reconnecting, Stale since. */
export function LiveBadge({ state, since }: { state: LiveState; since?: Date | undefined }) {
  const t = useText();
  const at = since ? new Intl.DateTimeFormat(t.locale, { hour: "2-digit", minute: "2-digit" }).format(since) : "";
  return (
    <span className={`live ${state}`}>
      <span className="dot" />
      {state === "stale" ? t("live.stale", { at }) : t(`live.${state}`)}
    </span>
  );
}

export interface Tab {
  to: string;
  label: ReactNode;
  current: boolean;
}

/** Tabs of a page are addresses; [ and ] go to the previous and next one. */
export function Tabs({ label, tabs }: { label: string; tabs: readonly Tab[] }) {
  const at = tabs.findIndex((x) => x.current);
  const go = (by: number) => {
    const to = tabs[(at + by + tabs.length) % tabs.length];
    if (to) navigate(to.to);
  };
  useKeys({ "[": () => { go(-1); }, "]": () => { go(1); } });
  return (
    <nav className="tabs" aria-label={label}>
      {tabs.map((x) => <Link key={x.to} to={x.to} aria-current={x.current ? "page" : undefined}>{x.label}</Link>)}
    </nav>
  );
}

export function Segments<T extends string>({ label, value, options, onChange }: {
  label: string;
  value: T;
  options: readonly { id: T; label: string }[];
  onChange: (id: T) => void;
}) {
  return (
    <div className="seg" role="group" aria-label={label}>
      {options.map((o) => (
        <button key={o.id} type="button" aria-pressed={o.id === value} onClick={() => { onChange(o.id); }}>{o.label}</button>
      ))}
    </div>
  );
}

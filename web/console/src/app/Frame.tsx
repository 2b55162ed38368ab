import { useEffect, useState, type ReactNode } from "react";
import { useText } from "../i18n";
import { copyText } from "../lib/clipboard";
import { useKeys } from "../lib/keys";
import { Link, navigate, usePath } from "../lib/router";
import { toast, undoLast } from "../lib/toast";
import { Glyph, Icon } from "../ui/Icon";
import { Toasts } from "../ui/Toasts";
import { useCounts } from "./counts";
import { KeysHelp } from "./KeysHelp";
import { serverName, useMe } from "./me";
import { isCurrent, menuOf, type NavItem } from "./nav";
import { Palette } from "./Palette";
import { MoreSheet, ThemeButton, UserMenu } from "./UserMenu";

function Clock() {
  const t = useText();
  const [now, setNow] = useState(new Date());
  useEffect(() => {
    const timer = setInterval(() => { setNow(new Date()); }, 10_000);
    return () => { clearInterval(timer); };
  }, []);
  const day = new Intl.DateTimeFormat(t.locale, { weekday: "short", day: "numeric", month: "short", year: "numeric" });
  const time = new Intl.DateTimeFormat(t.locale, { hour: "2-digit", minute: "2-digit", timeZoneName: "short" });
  return (
    <span className="t3 lg num clock" translate="no" title={now.toISOString()}>
      {day.format(now)}, <time dateTime={now.toISOString()}>{time.format(now)}</time>
    </span>
  );
}

export function Frame({ children }: { children: ReactNode }) {
  const t = useText();
  const me = useMe();
  const path = usePath();
  const counts = useCounts();
  const [palette, setPalette] = useState(false);
  const [help, setHelp] = useState(false);
  const [more, setMore] = useState(false);
  const groups = menuOf(me);
  const items = groups.flatMap((g) => g.items);
  const here = items.find((i) => isCurrent(i, path));

  useKeys({
    "/": () => { setPalette(true); },
    "Ctrl+k": () => { setPalette(true); },
    "?": () => { setHelp(true); },
    u: () => { if (!undoLast()) toast(t("undo.nothing")); },
    c: () => void copyText(location.href).then(() => { toast(t("copied.link")); }),
    ...Object.fromEntries(items.filter((i) => i.key).map((i) => [`g ${i.key}`, () => { navigate(i.to); }])),
  });

  const count = (i: NavItem) => {
    const n = i.count && counts[i.count];
    return n ? <span className={`n ${i.count === "queue" || i.count === "moderation" ? "hot" : ""}`}>{new Intl.NumberFormat(t.locale).format(n)}</span> : null;
  };
  const link = (i: NavItem) => (
    <li key={i.to}>
      <Link to={i.to} title={t(i.label)} aria-current={i === here ? "page" : undefined}>
        <Icon name={i.icon} />
        <span>{t(i.label)}</span>
        {count(i)}
      </Link>
    </li>
  );

  return (
    <>
      <a className="skip" href="#main">{t("skip")}</a>
      <div className="app">
        <div className="side">
          <Link className="side-head" to="/" aria-label={t("home")}><Glyph /><b translate="no">Posthorn</b></Link>
          <div className="node" title={serverName(me)}>
            <span className="dot ok" />
            <span className="ell med" translate="no">{serverName(me)}</span>
          </div>
          <nav className="nav" aria-label={t("nav.main")}>
            {groups.map((g, i) => (
              <div key={i}>
                {g.label && <h2>{t(g.label)}</h2>}
                <ul>{g.items.map(link)}</ul>
              </div>
            ))}
          </nav>
        </div>
        <header className="top">
          <div className="mtitle mobonly row"><Glyph />{here ? t(here.label) : <span translate="no">Posthorn</span>}</div>
          <button type="button" className="find" onClick={() => { setPalette(true); }}>
            <Icon name="search" />
            <span className="grow ell">{t("find.button")}</span>
            <kbd aria-hidden="true">/</kbd>
          </button>
          <div className="sp" />
          <Clock />
          <button type="button" className="ib deskonly" aria-label={t("keys")} title={t("keys")} onClick={() => { setHelp(true); }}><Icon name="info" /></button>
          <ThemeButton className="deskonly" />
          <UserMenu onKeys={() => { setHelp(true); }} />
        </header>
        <main className="main" id="main" tabIndex={-1}>{children}</main>
        <nav className="botnav" aria-label={t("nav.main")}>
          {items.filter((i) => i.foot).slice(0, 4).map((i) => (
            <Link key={i.to} to={i.to} aria-current={i === here ? "page" : undefined}><Icon name={i.icon} />{t(i.foot ?? i.label)}</Link>
          ))}
          <button type="button" aria-expanded={more} onClick={() => { setMore(true); }}><Icon name="menu" />{t("more")}</button>
        </nav>
      </div>
      {palette && <Palette onClose={() => { setPalette(false); }} />}
      {help && <KeysHelp onClose={() => { setHelp(false); }} />}
      {more && <MoreSheet groups={groups} onClose={() => { setMore(false); }} />}
      <Toasts />
    </>
  );
}

import { Button, Dialog as AriaDialog, DialogTrigger, Popover } from "react-aria-components";
import { languages, useText, type Language } from "../i18n";
import { usePreference } from "../lib/prefs";
import { Link } from "../lib/router";
import { densities, themes } from "../lib/theme";
import { Dialog } from "../ui/Dialog";
import { Icon } from "../ui/Icon";
import { useMe } from "./me";
import type { NavItem } from "./nav";
import { useSession } from "./session";

export function LanguageSelect({ className = "inp" }: { className?: string }) {
  const t = useText();
  const [language, set] = usePreference("language");
  return (
    <select className={className} value={language} onChange={(e) => { set(e.target.value); }} aria-label={t("language")}>
      <option value="">{t("language.system")}</option>
      {(Object.keys(languages) as (keyof typeof languages)[]).map((l) => <option key={l} value={l} translate="no" lang={l}>{languages[l]}</option>)}
      {(import.meta.env.DEV || language === ("pseudo" satisfies Language)) && <option value="pseudo">Pseudo</option>}
    </select>
  );
}

function isDark(): boolean {
  return document.documentElement.dataset["theme"] === "dark";
}

export function ThemeButton({ className = "" }: { className?: string }) {
  const t = useText();
  const [, set] = usePreference("theme");
  return (
    <button type="button" className={`ib ${className}`} aria-label={t("theme.switch")} title={t("theme.switch")} onClick={() => { set(isDark() ? "light" : "dark"); }}>
      <span className="if-light"><Icon name="moon" /></span>
      <span className="if-dark"><Icon name="sun" /></span>
    </button>
  );
}

function Choices() {
  const t = useText();
  const [theme, setTheme] = usePreference("theme");
  const [density, setDensity] = usePreference("density");
  return (
    <>
      <label className="f">{t("theme")}
        <select className="inp" value={theme || "system"} onChange={(e) => { setTheme(e.target.value === "system" ? "" : e.target.value); }}>
          {themes.map((x) => <option key={x} value={x}>{t(`theme.${x}`)}</option>)}
        </select>
      </label>
      <label className="f">{t("density")}
        <select className="inp" value={density || "default"} onChange={(e) => { setDensity(e.target.value === "default" ? "" : e.target.value); }}>
          {densities.map((x) => <option key={x} value={x}>{t(`density.${x}`)}</option>)}
        </select>
      </label>
      <label className="f">{t("language")}<LanguageSelect /></label>
    </>
  );
}

export function UserMenu({ onKeys }: { onKeys: () => void }) {
  const t = useText();
  const me = useMe();
  const session = useSession();
  const initials = me.account.slice(0, 2).toUpperCase();
  return (
    <DialogTrigger>
      <Button className="ava deskonly" aria-label={t("user.button", { initials, name: me.account })}><span translate="no">{initials}</span></Button>
      <Popover className="menu" placement="bottom end">
        <AriaDialog className="cols" aria-label={t("user.menu", { name: me.account })}>
          {({ close }) => (
            <>
              <div className="who"><b className="strong" translate="no">{me.account}</b><div className="t3">{t(`role.${me.role}`)}</div></div>
              <Choices />
              <Link className="btn" to="/me" onClick={close}>{t("nav.me")}</Link>
              <button type="button" className="btn" onClick={() => { close(); onKeys(); }}>{t("keys")}</button>
              <button type="button" className="btn" onClick={() => { close(); session.signOut(); }}>{t("signout")}</button>
            </>
          )}
        </AriaDialog>
      </Popover>
    </DialogTrigger>
  );
}

/** On the phone: all screens and the user's menu behind "More". */
export function MoreSheet({ groups, onClose }: { groups: readonly { items: readonly NavItem[] }[]; onClose: () => void }) {
  const t = useText();
  const me = useMe();
  const session = useSession();
  return (
    <Dialog title={t("more")} onClose={onClose}>
      <nav className="form" aria-label={t("more")}>
        <ul>
          {groups.flatMap((g) => g.items).map((i) => (
            <li key={i.to}><Link className="mi" to={i.to} onClick={onClose}><Icon name={i.icon} />{t(i.label)}</Link></li>
          ))}
        </ul>
        <div className="t3" translate="no">{me.account}</div>
        <Choices />
        <Link className="btn" to="/me" onClick={onClose}>{t("nav.me")}</Link>
        <button type="button" className="btn" onClick={() => { onClose(); session.signOut(); }}>{t("signout")}</button>
      </nav>
    </Dialog>
  );
}

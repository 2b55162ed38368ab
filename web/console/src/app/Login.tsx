import { useEffect, useState } from "react";
import { ApiError } from "../api/client";
import { useText } from "../i18n";
import { Glyph, Icon } from "../ui/Icon";
import { problemText } from "../ui/States";
import { useSession } from "./session";
import { LanguageSelect, ThemeButton } from "./UserMenu";

function Art() {
  const t = useText();
  return (
    <aside className="art" aria-label="Posthorn">
      <div className="brand" translate="no"><Glyph />Posthorn</div>
      <svg className="big" viewBox="0 0 560 560" fill="none" aria-hidden="true">
        <g stroke="var(--brass)" opacity=".9" strokeLinecap="round" strokeLinejoin="round">
          <g transform="translate(130 150) scale(8)">
            <circle cx="14.5" cy="13.5" r="7.5" strokeWidth="2.2" />
            <path d="M4.5 21H20" strokeWidth="2.2" />
            <path d="M3.5 18.5v5" strokeWidth="2" />
            <path d="M19 19.7c4-.3 7-2 9-5v12.6c-2-3-5-4.7-9-5z" fill="var(--brass)" strokeWidth="1" />
          </g>
          <g strokeWidth="2.5">
            <path d="M376 268a62 62 0 0 1 0 100" opacity=".8" />
            <path d="M404 240a100 100 0 0 1 0 156" opacity=".55" />
            <path d="M432 212a138 138 0 0 1 0 212" opacity=".35" />
            <path d="M460 184a176 176 0 0 1 0 268" opacity=".2" />
          </g>
        </g>
      </svg>
      <p className="say t2">{t("login.say")}</p>
    </aside>
  );
}

export function Login() {
  const t = useText();
  const session = useSession();
  const [account, setAccount] = useState("");
  const [password, setPassword] = useState("");
  const [shown, setShown] = useState(false);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<ApiError>();
  useEffect(() => {
    document.title = `${t("login")} · Posthorn`;
  }, [t]);

  const submit = async () => {
    setBusy(true);
    setError(undefined);
    try {
      await session.signIn(account.trim(), password);
    } catch (e) {
      if (e instanceof ApiError) setError(e);
    }
    setBusy(false);
  };
  const wrong = error?.status === 401;
  return (
    <div className="login">
      <Art />
      <main className="box">
        <form aria-labelledby="h" onSubmit={(e) => { e.preventDefault(); void submit(); }}>
          <div>
            <h1 id="h">{t("login")}</h1>
            <p className="t2" translate="no">{location.hostname}</p>
          </div>
          {session.ended && !error && <div className="call warn" role="status"><Icon name="info" /><span>{t("login.ended")}</span></div>}
          {error && (
            <div className="call bad" role="alert" id="login-error">
              <Icon name="alert" />
              <span>{wrong ? t("login.wrong") : <span translate="no">{problemText(error, t)}</span>}</span>
            </div>
          )}
          <label className="f">
            {t("login.address")}
            <input className="inp" name="username" autoComplete="username" inputMode="email" value={account} onChange={(e) => { setAccount(e.target.value); }} required autoFocus aria-invalid={wrong} aria-describedby={error ? "login-error" : undefined} />
          </label>
          <label className="f">
            {t("password")}
            <span className="pw">
              <input className="inp" name="password" type={shown ? "text" : "password"} autoComplete="current-password" value={password} onChange={(e) => { setPassword(e.target.value); }} required aria-invalid={wrong} aria-describedby={error ? "login-error" : undefined} />
              <button type="button" className="btn ghost sm" aria-pressed={shown} onClick={() => { setShown(!shown); }}>{shown ? t("hide") : t("show")}</button>
            </span>
          </label>
          <button className="btn pri" type="submit" disabled={busy}>{busy ? t("login.busy") : t("login")}</button>
          <div className="ft">
            <label className="row">{t("language")} <LanguageSelect className="lang" /></label>
            <span className="grow" />
            <ThemeButton />
          </div>
        </form>
      </main>
    </div>
  );
}

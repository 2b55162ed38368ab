import { Component, lazy, Suspense, useEffect, useMemo, useState, type ComponentType, type ReactNode } from "react";
import { I18nProvider } from "react-aria-components";
import { english, loadLanguage, TranslationContext, useText, type Language, type Translation } from "../i18n";
import { preference, usePreference } from "../lib/prefs";
import { matchPath, navigate, usePath } from "../lib/router";
import { useTheme } from "../lib/theme";
import { NoRight } from "../ui/ListState";
import { PageHead } from "../ui/Page";
import { Raw } from "../ui/Raw";
import { Empty, ErrorNote, Skeleton } from "../ui/States";
import { Frame } from "./Frame";
import { Login } from "./Login";
import { MeContext, useMe } from "./me";
import { menuOf } from "./nav";
import { routes, type Screen } from "./routes";
import { SessionProvider, useSession } from "./session";

function systemLanguage(): Language {
  return navigator.languages.some((l) => l.startsWith("it")) && !navigator.language.startsWith("en") ? "it" : "en";
}

function Translations({ children }: { children: ReactNode }) {
  const [chosen] = usePreference("language");
  const [translation, setTranslation] = useState<Translation>();
  const language = (chosen || systemLanguage()) as Language;
  useEffect(() => {
    let wanted = true;
    loadLanguage(language).then(
      (x) => {
        if (!wanted) return;
        document.documentElement.lang = x.language === "it" ? "it" : "en";
        setTranslation(x);
      },
      () => { setTranslation(english); },
    );
    return () => {
      wanted = false;
    };
  }, [language]);
  // The library's own words (to dismiss a dialog) follow the console's language, not the browser's.
  return translation ? <I18nProvider locale={translation.locale}><TranslationContext value={translation}>{children}</TranslationContext></I18nProvider> : null;
}

/** A new version was installed while the console was open: its parts are no longer there. */
class Boundary extends Component<{ children: ReactNode; fallback: (error: Error) => ReactNode; reset: string }, { error?: Error; at?: string }> {
  override state: { error?: Error; at?: string } = {};
  static getDerivedStateFromError(error: Error) {
    return { error };
  }
  static getDerivedStateFromProps(props: { reset: string }, state: { error?: Error; at?: string }) {
    return props.reset === state.at ? null : { at: props.reset, error: undefined };
  }
  override render() {
    return this.state.error ? this.props.fallback(this.state.error) : this.props.children;
  }
}

function Broken({ error }: { error: Error }) {
  const t = useText();
  return (
    <>
      <PageHead title={t("broken")} />
      <Empty icon="alert" title={t("broken.title")}>
        <span className="mono" translate="no">{error.message}</span>
        <button type="button" className="btn" onClick={() => { location.reload(); }}>{t("broken.reload")}</button>
      </Empty>
    </>
  );
}

const screens = new Map<Screen, ComponentType<{ params: Record<string, string> }>>();
function screenOf(load: Screen): ComponentType<{ params: Record<string, string> }> {
  let c = screens.get(load);
  if (!c) screens.set(load, (c = lazy(load)));
  return c;
}

function Routed() {
  const t = useText();
  const me = useMe();
  const path = usePath();
  const found = useMemo(() => {
    for (const r of routes) {
      const params = matchPath(r.path, path);
      if (params) return { route: r, params };
    }
    return undefined;
  }, [path]);
  const first = menuOf(me)[0]?.items[0];
  useEffect(() => {
    if (path === "/" && first) navigate(first.to, true);
  }, [path, first]);
  if (path === "/" && first) return null;
  if (!found)
    return (
      <>
        <PageHead title={t("missing")} />
        <Empty icon="info" title={t("missing.title")}><Raw mono>{path}</Raw></Empty>
      </>
    );
  if (!me.scopes.includes(found.route.scope))
    return (
      <>
        <PageHead title={t("forbidden")} />
        <NoRight />
      </>
    );
  const Screen = screenOf(found.route.load);
  return (
    <Boundary reset={path} fallback={(error) => <Broken error={error} />}>
      <Suspense fallback={<Skeleton />}>
        <Screen params={found.params} />
      </Suspense>
    </Boundary>
  );
}

function Gate() {
  const session = useSession();
  if (session.state === "asking") return null;
  if (session.state === "failed")
    return <main className="page-note">{session.error && <ErrorNote error={session.error} onRetry={session.ask} />}</main>;
  if (session.state === "out" || !session.me) return <Login />;
  return (
    <MeContext value={session.me}>
      <Frame><Routed /></Frame>
    </MeContext>
  );
}

export function App() {
  useTheme();
  return (
    <Translations>
      <SessionProvider><Gate /></SessionProvider>
    </Translations>
  );
}

// For tests and for people who check translations: ?language=pseudo stays chosen.
const asked = new URLSearchParams(location.search).get("language");
if (asked === "pseudo" || asked === "en" || asked === "it") preference.set("language", asked);

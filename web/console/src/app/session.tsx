// Signed in or not. The cookie is the server's; the console only holds the token that writes must carry.
import { createContext, useCallback, useContext, useEffect, useMemo, useState, type ReactNode } from "react";
import { api, ApiError, onSignedOut, setCsrfToken } from "../api/client";
import type { Me } from "../api/schema";
import { useText } from "../i18n";
import { doPending } from "../lib/pending";
import { preference } from "../lib/prefs";
import { forgetResources } from "../lib/resource";
import { toast } from "../lib/toast";

export interface Session {
  state: "asking" | "in" | "out" | "failed";
  me: Me | undefined;
  error: ApiError | undefined;
  /** The session ended while the console was open. */
  ended: boolean;
  signIn: (account: string, password: string) => Promise<void>;
  signOut: () => void;
  ask: () => void;
}

const Context = createContext<Session | undefined>(undefined);

export function useSession(): Session {
  const s = useContext(Context);
  if (!s) throw new Error("used outside of SessionProvider");
  return s;
}

export function SessionProvider({ children }: { children: ReactNode }) {
  const t = useText();
  const [state, setState] = useState<Session["state"]>("asking");
  const [me, setMe] = useState<Me>();
  const [error, setError] = useState<ApiError>();
  const [ended, setEnded] = useState(false);

  const leave = useCallback(() => {
    setMe(undefined);
    setCsrfToken("");
    forgetResources();
    // What one administrator looked for is nothing for the next one at this browser.
    preference.set("recent", "");
    setState("out");
  }, []);
  const enter = useCallback((who: Me) => {
    setCsrfToken(who.csrf_token ?? "");
    setMe(who);
    setState("in");
  }, []);
  const ask = useCallback(() => {
    api.get("/me").then(
      enter,
      (e: unknown) => {
        if (e instanceof ApiError && e.status === 401) leave();
        else {
          setError(e instanceof ApiError ? e : undefined);
          setState("failed");
        }
      },
    );
  }, [enter, leave]);
  useEffect(ask, [ask]);
  useEffect(() => {
    onSignedOut(() => {
      setEnded((old) => old || state === "in");
      leave();
    });
  }, [leave, state]);

  const value = useMemo<Session>(
    () => ({
      state,
      me,
      error,
      ended,
      ask,
      signIn: async (account, password) => {
        const who = await api.post("/login", { body: { user: account, password } });
        setEnded(false);
        if (who) enter(who);
      },
      signOut: () => {
        doPending().then(() => api.post("/logout")).then(leave, (e: unknown) => {
          if (e instanceof ApiError && e.status === 401) leave();
          else toast(t("login.out.failed"), { bad: true });
        });
      },
    }),
    [state, me, error, ended, ask, enter, leave, t],
  );
  return <Context value={value}>{children}</Context>;
}

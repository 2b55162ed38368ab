// The address is the state: filter, sort, tab, open drawer. Copying it copies the view.
import { useCallback, useMemo, useSyncExternalStore, type AnchorHTMLAttributes, type ReactNode } from "react";

const moved = "posthorn:moved";

export function navigate(to: string, replace = false): void {
  if (to === location.pathname + location.search + location.hash) return;
  history[replace ? "replaceState" : "pushState"](null, "", to);
  dispatchEvent(new Event(moved));
}

function subscribe(changed: () => void): () => void {
  addEventListener("popstate", changed);
  addEventListener(moved, changed);
  return () => {
    removeEventListener("popstate", changed);
    removeEventListener(moved, changed);
  };
}

export function usePath(): string {
  return useSyncExternalStore(subscribe, () => location.pathname);
}
export function useSearch(): URLSearchParams {
  const search = useSyncExternalStore(subscribe, () => location.search);
  return useMemo(() => new URLSearchParams(search), [search]);
}

/** The present address with some parameters changed; "" removes one. */
export function addressWith(changes: Readonly<Record<string, string>>): string {
  const search = new URLSearchParams(location.search);
  for (const [k, v] of Object.entries(changes)) {
    if (v) search.set(k, v);
    else search.delete(k);
  }
  const text = search.toString();
  return location.pathname + (text ? `?${text}` : "");
}

/** One parameter of the address as state. Typing replaces the entry of the history, choosing adds one. */
export function useParam(name: string): [string, (value: string, replace?: boolean) => void] {
  const value = useSearch().get(name) ?? "";
  const set = useCallback((v: string, replace = true) => { navigate(addressWith({ [name]: v }), replace); }, [name]);
  return [value, set];
}

/** ?open=ID, the open drawer: opening adds an entry to the history, so that Back closes it; going on to another row does not. */
export function useOpen(): [string, (id: string) => void] {
  const [open] = useParam("open");
  const set = useCallback((id: string) => { navigate(addressWith({ open: id }), !id || new URLSearchParams(location.search).has("open")); }, []);
  return [open, set];
}

/** Matches /accounts/{id} against a path; parts are decoded. */
export function matchPath(template: string, path: string): Record<string, string> | undefined {
  const want = template.split("/");
  const have = path.replace(/\/+$/, "").split("/");
  if (have.length === 1) have.push("");
  if (want.length !== have.length) return undefined;
  const found: Record<string, string> = {};
  for (const [i, w] of want.entries()) {
    const h = have[i] ?? "";
    const name = /^\{(\w+)\}$/.exec(w)?.[1];
    if (name) {
      if (!h) return undefined;
      try {
        found[name] = decodeURIComponent(h);
      } catch {
        return undefined;
      }
    } else if (w !== h) return undefined;
  }
  return found;
}

export function Link({ to, children, ...rest }: { to: string; children?: ReactNode } & AnchorHTMLAttributes<HTMLAnchorElement>) {
  return (
    <a
      {...rest}
      href={to}
      onClick={(e) => {
        rest.onClick?.(e);
        if (e.defaultPrevented || e.button !== 0 || e.metaKey || e.ctrlKey || e.shiftKey || e.altKey) return;
        e.preventDefault();
        navigate(to);
      }}
    >
      {children}
    </a>
  );
}

import { useEffect } from "react";
import { preference, usePreference } from "./prefs";

export const themes = ["system", "light", "dark"] as const;
export type Theme = (typeof themes)[number];
export const densities = ["compact", "default", "comfortable"] as const;

const night = matchMedia("(prefers-color-scheme: dark)");

function apply(): void {
  const theme = preference.get("theme");
  const dark = theme === "dark" || (theme !== "light" && night.matches);
  document.documentElement.dataset["theme"] = dark ? "dark" : "light";
  document.documentElement.dataset["density"] = preference.get("density") || "default";
  dispatchEvent(new Event("posthorn:theme"));
}

/** Keeps the page's theme and density as chosen; "system" follows the system while the page is open. */
export function useTheme(): void {
  const [theme] = usePreference("theme");
  const [density] = usePreference("density");
  useEffect(apply, [theme, density]);
  useEffect(() => {
    night.addEventListener("change", apply);
    return () => { night.removeEventListener("change", apply); };
  }, []);
}

/** The value of a token in the present theme, for canvases. */
export function token(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

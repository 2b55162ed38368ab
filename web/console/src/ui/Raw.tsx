import type { ReactNode } from "react";
import { visible } from "../lib/bidi";

/** Text that came from the server or from mail: shown as it is, in whatever language, never translated. */
export function Raw({ children, mono = false, className = "", title }: { children: ReactNode; mono?: boolean; className?: string; title?: string | undefined }) {
  return (
    <span translate="no" dir="auto" className={`${mono ? "mono" : ""} ${className}`.trim() || undefined} title={title === undefined ? undefined : visible(title)}>
      {typeof children === "string" ? visible(children) : children}
    </span>
  );
}

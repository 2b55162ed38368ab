import type { ReactNode } from "react";

/** Text that came from the server or from mail: shown as it is, in whatever language, never translated. */
export function Raw({ children, mono = false, className = "", title }: { children: ReactNode; mono?: boolean; className?: string; title?: string | undefined }) {
  return (
    <span translate="no" dir="auto" className={`${mono ? "mono" : ""} ${className}`.trim() || undefined} title={title}>
      {children}
    </span>
  );
}

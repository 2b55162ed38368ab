import type { ReactNode } from "react";
import { useText } from "../i18n";
import { Raw } from "./Raw";

/** A text that the server makes: in the reader's language when that has one of its key, else the server's own, in English. */
export function Served({ name, values, children }: { name: string; values?: Readonly<Record<string, ReactNode>>; children: string }) {
  return useText().served(name, values) ?? <span lang="en"><Raw>{children}</Raw></span>;
}

import { createContext, Fragment, useContext, type ReactNode } from "react";
import { visible } from "../lib/bidi";
import { en, type Key } from "./en";
import { formatMessage, parseMessage, type Node } from "./icu";
import { pseudo } from "./pseudo";

export type { Key };
export type Catalogue = Readonly<Record<Key, string>>;
export const languages = { en: "English", it: "Italiano" } as const;
export type Language = keyof typeof languages | "pseudo";

/** One language, ready for use. */
export interface Translation {
  language: Language;
  /** For Intl. */
  locale: string;
  catalogue: Catalogue;
}

type Values = Readonly<Record<string, ReactNode>>;

const parsed = new Map<string, Node[]>();
function nodesOf(source: string): Node[] {
  let nodes = parsed.get(source);
  if (!nodes) parsed.set(source, (nodes = parseMessage(source)));
  return nodes;
}

/** Italian comes when it is asked for: most readers never load it. */
export async function loadLanguage(language: Language): Promise<Translation> {
  if (language === "it") return { language, locale: "it", catalogue: (await import("./it")).it };
  return { language, locale: "en-GB", catalogue: en };
}

export const english: Translation = { language: "en", locale: "en-GB", catalogue: en };
export const TranslationContext = createContext<Translation>(english);

export interface Text {
  (key: Key, values?: Readonly<Record<string, string | number>>): string;
  /** The same with links and marks inside the sentence. */
  rich(key: Key, values: Values): ReactNode;
  locale: string;
  language: Language;
  /** Whether the catalogue has a text of this key: for names that come from the server. */
  has(key: string): key is Key;
}

export function textOf({ catalogue, locale, language }: Translation): Text {
  const literal = language === "pseudo" ? pseudo : undefined;
  const t = (key: Key, values: Readonly<Record<string, string | number>> = {}) =>
    visible(formatMessage(nodesOf(catalogue[key]), values, locale, literal).join(""));
  return Object.assign(t, {
    rich: (key: Key, values: Values) =>
      formatMessage(nodesOf(catalogue[key]), values, locale, literal).map((p, i) => <Fragment key={i}>{p}</Fragment>),
    locale,
    language,
    has: (key: string): key is Key => Object.hasOwn(catalogue, key),
  });
}

let last: { translation: Translation; text: Text } | undefined;
export function useText(): Text {
  const translation = useContext(TranslationContext);
  if (last?.translation !== translation) last = { translation, text: textOf(translation) };
  return last.text;
}

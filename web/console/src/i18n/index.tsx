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
  /** The server's texts by its keys; absent: as the server says them, in English. */
  served?: Readonly<Record<string, string>>;
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
  if (language === "it") {
    const [{ it }, { served }] = await Promise.all([import("./it"), import("./served.it")]);
    return { language, locale: "it", catalogue: it, served };
  }
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
  /** A text of the server in this language; undefined: there is none, the server's own words are to be shown. */
  served(key: string, values?: Values): ReactNode;
}

export function textOf({ catalogue, locale, language, served = {} }: Translation): Text {
  const literal = language === "pseudo" ? pseudo : undefined;
  const t = (key: Key, values: Readonly<Record<string, string | number>> = {}) =>
    visible(formatMessage(nodesOf(catalogue[key]), values, locale, literal).join(""));
  const rich = (source: string, values: Values) =>
    formatMessage(nodesOf(source), values, locale, literal).map((p, i) => <Fragment key={i}>{p}</Fragment>);
  return Object.assign(t, {
    rich: (key: Key, values: Values) => rich(catalogue[key], values),
    served: (key: string, values: Values = {}) => {
      const source = served[key];
      return source === undefined ? undefined : rich(source, values);
    },
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

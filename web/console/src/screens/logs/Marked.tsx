import { Fragment, type ReactNode } from "react";
import { useMay } from "../../app/me";
import { visible } from "../../lib/bidi";
import { hitsIn } from "../../lib/loglines";
import { messageAddress, traceAddress } from "../../lib/places";
import { Link } from "../../lib/router";

// Message ids and addresses lead on: three capitals and five digits, and what stands between < and >.
const links = /\b([A-Z]{3}\d{5})\b|<([^<>\s@]+@[^<>\s]+)>/g;

function marked(text: string, words: readonly string[], find: string): ReactNode[] {
  const out: ReactNode[] = [];
  const hits = hitsIn(text, find ? [find, ...words] : words);
  let at = 0;
  for (const [a, b] of hits) {
    out.push(visible(text.slice(at, a)));
    const found = find && text.slice(a, b).toLowerCase() === find.toLowerCase();
    out.push(<mark key={a} className={found ? "hit" : undefined}>{visible(text.slice(a, b))}</mark>);
    at = b;
  }
  out.push(visible(text.slice(at)));
  return out;
}

/** A line with its hits marked and its ids linked. Text of peers: never markup. In long lists links are not stops of Tab. */
export function Marked({ text, words, find, tab = false }: { text: string; words: readonly string[]; find: string; tab?: boolean }) {
  const mayTrace = useMay("messages:read");
  const out: ReactNode[] = [];
  let at = 0;
  for (const m of text.matchAll(links)) {
    const what = m[1] ?? m[2] ?? "";
    const from = m.index + (m[2] ? 1 : 0);
    out.push(...marked(text.slice(at, from), words, find));
    const to = !mayTrace ? `/status/logs/smtp?q=${encodeURIComponent(what)}` : m[1] ? messageAddress(what) : traceAddress("address", what);
    out.push(<Link key={from} to={to} tabIndex={tab ? undefined : -1}>{marked(what, words, find)}</Link>);
    at = from + what.length;
  }
  out.push(...marked(text.slice(at), words, find));
  return <>{out.map((x, i) => <Fragment key={i}>{x}</Fragment>)}</>;
}

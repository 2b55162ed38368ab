// One map for all keys, so that `?` can show it. Letters act only while no field has the focus, and can be switched off
// (WCAG 2.1.4). The newest registration of a key wins: a drawer's before the list's below it.
import { useEffect, useRef } from "react";
import { preference } from "./prefs";

export type Handlers = Readonly<Record<string, (e: KeyboardEvent) => void>>;

const stack: { current: Handlers }[] = [];
/** The second key comes this long after `g` at most, by the keyboard's clock: a busy page does not count. Milliseconds. */
const pause = 1500;
let leader = -Infinity; // when `g` was pressed

/** The name under which a key is registered: "j", "?", "Ctrl+k", "Escape", "g q". */
export function keyName(e: Pick<KeyboardEvent, "key" | "ctrlKey" | "metaKey">): string {
  return (e.ctrlKey || e.metaKey ? "Ctrl+" : "") + (e.ctrlKey || e.metaKey ? e.key.toLowerCase() : e.key);
}

export function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (target.isContentEditable || target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement) return true;
  return target instanceof HTMLInputElement && !["checkbox", "radio", "button", "submit", "file"].includes(target.type);
}

function onKey(e: KeyboardEvent): void {
  if (e.defaultPrevented || e.isComposing || e.altKey) return;
  const single = !e.ctrlKey && !e.metaKey && e.key.length === 1;
  if (isTyping(e.target) && (single || e.key !== "Escape") && !(e.ctrlKey || e.metaKey)) return;
  if (single && e.key !== " " && preference.get("letters") === "off") return;
  // A dialog has the keyboard to itself.
  if (document.querySelector("[data-modal]")) return;
  // Enter and space belong to the control that has the focus.
  if ((e.key === "Enter" || e.key === " ") && (e.target as HTMLElement | null)?.closest("a, button, input, summary, [role=option], [role=menuitem]")) return;
  let name = keyName(e);
  if (single && e.timeStamp - leader < pause) name = `g ${e.key}`;
  leader = -Infinity;
  for (let i = stack.length - 1; i >= 0; i--) {
    const handler = stack[i]?.current[name];
    if (handler) {
      e.preventDefault();
      handler(e);
      return;
    }
  }
  if (single && e.key === "g") leader = e.timeStamp;
}

/** Binds or unbinds the one listener; html[data-keys=ready] tells those who press keys by machine that there is one. */
function listen(on: boolean): void {
  if (on) {
    document.addEventListener("keydown", onKey);
    document.documentElement.dataset.keys = "ready";
  } else {
    document.removeEventListener("keydown", onKey);
    delete document.documentElement.dataset.keys;
  }
}

/** Registers handlers while the component is mounted. */
export function useKeys(handlers: Handlers, active = true): void {
  const ref = useRef(handlers);
  useEffect(() => {
    ref.current = handlers;
  });
  useEffect(() => {
    if (!active) return;
    if (stack.length === 0) listen(true);
    stack.push(ref);
    return () => {
      stack.splice(stack.indexOf(ref), 1);
      if (stack.length === 0) listen(false);
    };
  }, [active]);
}

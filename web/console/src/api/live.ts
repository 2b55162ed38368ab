// One event stream per tab, for all topics that something on the screen wants. Read by fetch instead of EventSource: the
// heartbeat is a comment, and only with it can we say that what is shown has become stale.
import { useEffect, useRef, useSyncExternalStore } from "react";
import { addressOf } from "./client";
import { EventParser } from "./sse";

export type LiveState = "connecting" | "live" | "held" | "reconnecting" | "stale";
export interface LiveEvent {
  topic: string;
  type: string;
  data: unknown;
}
type Listener = (e: LiveEvent) => void;

/** Without a sign of life for this long, what is shown may be old. */
const staleAfter = 15_000;
const pauses = [1, 2, 5, 10, 15];

class LiveStream {
  private topics = new Map<string, Set<Listener>>();
  private stop: AbortController | undefined;
  private connected = "";
  private restart: ReturnType<typeof setTimeout> | undefined;
  private watch: ReturnType<typeof setInterval> | undefined;
  private failures = 0;
  private watchers = new Set<() => void>();
  private lastId = "";
  state: LiveState = "connecting";
  heard = new Date();

  subscribe(topic: string, listener: Listener): () => void {
    let set = this.topics.get(topic);
    if (!set) this.topics.set(topic, (set = new Set()));
    set.add(listener);
    this.schedule(20);
    return () => {
      set.delete(listener);
      if (set.size === 0) this.topics.delete(topic);
      this.schedule(200);
    };
  }

  onState(watcher: () => void): () => void {
    this.watchers.add(watcher);
    return () => { this.watchers.delete(watcher); };
  }

  private setState(state: LiveState): void {
    if (state === this.state) return;
    this.state = state;
    for (const w of this.watchers) w();
  }

  private schedule(ms: number): void {
    clearTimeout(this.restart);
    this.restart = setTimeout(() => { this.connect(); }, ms);
  }

  private connect(): void {
    const wanted = [...this.topics.keys()].sort().join(",");
    if (wanted === this.connected && this.stop) return;
    this.stop?.abort();
    this.stop = undefined;
    // Another set of topics is another stream: it begins with snapshots, not where the last one ended.
    if (wanted !== this.connected) this.lastId = "";
    this.connected = wanted;
    if (!wanted) {
      clearInterval(this.watch);
      this.watch = undefined;
      return;
    }
    this.watch ??= setInterval(() => {
      if (Date.now() - this.heard.getTime() > staleAfter) this.setState("stale");
    }, 1000);
    const stop = new AbortController();
    this.stop = stop;
    void this.read(wanted, stop.signal).then(
      () => { this.lost(stop); },
      () => { this.lost(stop); },
    );
  }

  private async read(topics: string, signal: AbortSignal): Promise<void> {
    const headers: Record<string, string> = { Accept: "text/event-stream" };
    if (this.lastId) headers["Last-Event-ID"] = this.lastId;
    const response = await fetch(addressOf("/events", undefined, { topics }), { headers, signal, credentials: "same-origin" });
    if (!response.ok || !response.body) throw new Error(String(response.status));
    const parser = new EventParser();
    parser.lastId = this.lastId;
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      this.failures = 0;
      this.heard = new Date();
      this.setState("live");
      parser.push(value, (e) => { this.emit(e.event, e.data); });
      this.lastId = parser.lastId;
    }
  }

  private emit(type: string, text: string): void {
    let data: unknown;
    try {
      data = JSON.parse(text);
    } catch {
      return;
    }
    const topic = typeof data === "object" && data !== null && "topic" in data ? String(data.topic) : "";
    for (const [name, listeners] of this.topics) if (!topic || name === topic) for (const l of listeners) l({ topic, type, data });
  }

  private lost(stop: AbortController): void {
    if (this.stop !== stop) return;
    this.stop = undefined;
    if (this.state !== "stale") this.setState("reconnecting");
    this.schedule((pauses[Math.min(this.failures++, pauses.length - 1)] ?? 15) * 1000);
  }
}

const stream = new LiveStream();

/** Calls `listener` for each event of the topic while mounted; an empty topic listens to nothing. */
export function useTopic(topic: string, listener: Listener): void {
  const ref = useRef(listener);
  useEffect(() => {
    ref.current = listener;
  });
  useEffect(() => (topic ? stream.subscribe(topic, (e) => { ref.current(e); }) : undefined), [topic]);
}

export function useLiveState(held = false): { state: LiveState; since: Date } {
  const state = useSyncExternalStore((w) => stream.onState(w), () => stream.state);
  return { state: held && state === "live" ? "held" : state, since: stream.heard };
}

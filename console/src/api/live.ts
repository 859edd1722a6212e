import { type QueryKey, useQueryClient } from "@tanstack/react-query";
import { useEffect } from "react";
import { api } from "./v1";

/** Queries are asked again at most this often, however fast things happen. */
const GATHER_MS = 1000;

type Listener = () => void;

/** The one event stream of this page, opened when somebody listens and closed when nobody does any more. */
let source: EventSource | undefined;
const listeners = new Map<string, Set<Listener>>();

function listen(kind: string, listener: Listener): () => void {
  source ??= new EventSource(api.feed.followAddress());
  const known = listeners.get(kind) ?? new Set<Listener>();
  if (known.size === 0) source.addEventListener(kind, tell);
  known.add(listener);
  listeners.set(kind, known);
  return () => {
    known.delete(listener);
    if (known.size > 0) return;
    listeners.delete(kind);
    source?.removeEventListener(kind, tell);
    if (listeners.size > 0) return;
    source?.close();
    source = undefined;
  };
}

function tell(event: MessageEvent) {
  for (const listener of listeners.get(event.type) ?? []) listener();
}

/** Ask a query again when a fact of one of these kinds happened (docs/facts.md). */
export function useLive(kinds: readonly string[], queryKey: QueryKey) {
  const queries = useQueryClient();
  const named = kinds.join();
  const key = JSON.stringify(queryKey);
  useEffect(() => {
    let waiting: number | undefined;
    const refresh = () => {
      waiting ??= window.setTimeout(() => {
        waiting = undefined;
        void queries.invalidateQueries({ queryKey: JSON.parse(key) as QueryKey });
      }, GATHER_MS);
    };
    const ends = named.split(",").map((kind) => listen(kind, refresh));
    return () => {
      window.clearTimeout(waiting);
      for (const end of ends) end();
    };
  }, [queries, named, key]);
}

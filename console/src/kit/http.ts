/** What the server says went wrong (RFC 9457). */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly title: string,
    readonly detail: string,
    /** The values at fault, each by its JSON pointer. */
    readonly errors: readonly { pointer: string; detail: string }[] = [],
  ) {
    super(detail || title);
  }
}

/** Send a request of this origin; a Problem is thrown for an error answer, and signing in is asked for on 401. */
export async function send(path: string, init: RequestInit = {}): Promise<Response> {
  const answer = await fetch(path, { credentials: "same-origin", ...init });
  if (answer.status === 401) {
    const here = location.pathname + location.search;
    location.assign(`/login?next=${encodeURIComponent(here)}`);
  }
  if (!answer.ok || answer.headers.get("Content-Type")?.startsWith("application/problem+json")) throw await problemOf(answer);
  return answer;
}

/** Whether it is no fault: it waits until a second person agrees. */
export const isWaiting = (error: unknown): boolean => error instanceof Problem && error.status === 202;

export async function getJson<T>(path: string, accept = "application/json"): Promise<T> {
  const answer = await send(path, { headers: { Accept: accept } });
  return (answer.status === 204 ? [] : await answer.json()) as T;
}

/** What any operation of the API may be given beside its own. */
export interface Options {
  /** The ETag of the state that a change was made on. */
  ifMatch?: string;
  /** The same key again gets the same answer, for a day. */
  idempotencyKey?: string;
  signal?: AbortSignal;
}

type Query = Record<string, string | number | boolean | readonly (string | number)[] | null | undefined>;

/** A path with its query; what is undefined or null is left out, a list repeats its name. */
export function addressOf(path: string, query?: Query): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query ?? {})) {
    if (value === undefined || value === null) continue;
    for (const each of Array.isArray(value) ? value : [value]) parameters.append(name, String(each));
  }
  const text = parameters.toString();
  return text === "" ? path : `${path}?${text}`;
}

// Each answer that has an entity tag, with it: what an edit names as the state it was made on.
const tags = new WeakMap<object, string>();

/** The ETag with which this very answer came; a copy of it has none. */
export const etagOf = (answer: object): string | undefined => tags.get(answer);

/** One operation of the API: the generated client (api/v1.ts) is made of these. */
export async function call<T>(method: string, path: string, asked: { query?: Query; body?: unknown } & Options = {}): Promise<T> {
  const headers: Record<string, string> = { Accept: "application/json" };
  if (asked.body !== undefined) headers["Content-Type"] = "application/json";
  if (asked.ifMatch !== undefined) headers["If-Match"] = asked.ifMatch;
  if (asked.idempotencyKey !== undefined) headers["Idempotency-Key"] = asked.idempotencyKey;
  const answer = await send(addressOf(path, asked.query), {
    method,
    headers,
    signal: asked.signal,
    body: asked.body === undefined ? undefined : JSON.stringify(asked.body),
  });
  if (answer.status === 204) return undefined as T;
  const body = (await answer.json()) as T;
  const tag = answer.headers.get("ETag");
  if (tag && typeof body === "object" && body !== null) tags.set(body, tag);
  return body;
}

async function problemOf(answer: Response): Promise<Problem> {
  try {
    const body = (await answer.json()) as Partial<Pick<Problem, "title" | "detail" | "errors">>;
    return new Problem(answer.status, body.title ?? answer.statusText, body.detail ?? "", body.errors ?? []);
  } catch {
    return new Problem(answer.status, answer.statusText, "");
  }
}

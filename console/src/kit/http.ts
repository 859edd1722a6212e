/** What the server says went wrong (RFC 9457). */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly title: string,
    readonly detail: string,
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
  if (!answer.ok) throw await problemOf(answer);
  return answer;
}

export async function getJson<T>(path: string, accept = "application/json"): Promise<T> {
  const answer = await send(path, { headers: { Accept: accept } });
  return (answer.status === 204 ? [] : await answer.json()) as T;
}

export async function sendJson<T>(method: string, path: string, body?: unknown): Promise<T | undefined> {
  const answer = await send(path, {
    method,
    headers: { "Content-Type": "application/json", Accept: "application/json" },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  return answer.status === 204 ? undefined : ((await answer.json()) as T);
}

async function problemOf(answer: Response): Promise<Problem> {
  try {
    const body = (await answer.json()) as { title?: string; detail?: string };
    return new Problem(answer.status, body.title ?? answer.statusText, body.detail ?? "");
  } catch {
    return new Problem(answer.status, answer.statusText, "");
  }
}

import { useSyncExternalStore } from "react";
import type { UploadAnswer } from "../api/v1";

export type FileState = "waiting" | "sending" | "filed" | "already" | "quarantined" | "failed" | "skipped";

export interface Sent {
  id: number;
  name: string;
  bytes: number;
  gone: number;
  state: FileState;
  /** For a ZIP: how many of its files became what. */
  answer?: UploadAnswer;
  reason?: string;
}

/** Files on their way at the same time: enough to fill the line, few enough for the browser. */
const AT_ONCE = 4;
const TOLD_MS = 150;

let sent: Sent[] = [];
let queue: { id: number; file: File }[] = [];
const files = new Map<number, File>();
const running = new Map<number, XMLHttpRequest>();
const listeners = new Set<() => void>();
let last = 0;
let telling: number | undefined;

function tell(): void {
  telling ??= window.setTimeout(() => {
    telling = undefined;
    sent = [...sent];
    for (const listener of listeners) listener();
  }, TOLD_MS);
}

function change(id: number, part: Partial<Sent>): void {
  const place = sent.findIndex((each) => each.id === id);
  if (place >= 0) sent[place] = { ...sent[place]!, ...part };
  tell();
}

/** What is being uploaded and what became of it; it goes on while other rooms are looked at. */
export function useUploads(): readonly Sent[] {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => sent,
  );
}

export function upload(more: File[]): void {
  for (const file of more) {
    const id = ++last;
    const path = (file as File & { path?: string }).webkitRelativePath || file.name;
    sent.push({ id, name: path, bytes: file.size, gone: 0, state: "waiting" });
    files.set(id, file);
    queue.push({ id, file });
  }
  tell();
  next();
}

export function stopUploads(): void {
  queue = [];
  for (const request of running.values()) request.abort();
  sent = sent.map((each) => (each.state === "waiting" ? { ...each, state: "failed", reason: "" } : each));
  tell();
}

export function forgetUploads(): void {
  sent = [];
  files.clear();
  tell();
}

export function retryUploads(): void {
  for (const each of sent.filter((one) => one.state === "failed")) {
    const file = files.get(each.id);
    if (!file) continue;
    change(each.id, { state: "waiting", gone: 0, reason: undefined });
    queue.push({ id: each.id, file });
  }
  next();
}

function next(): void {
  while (running.size < AT_ONCE) {
    const one = queue.shift();
    if (!one) return;
    send(one.id, one.file);
  }
}

function send(id: number, file: File): void {
  const request = new XMLHttpRequest();
  running.set(id, request);
  change(id, { state: "sending" });
  request.open("POST", "/api/v1/uploads");
  request.setRequestHeader("Content-Type", "application/octet-stream");
  request.upload.onprogress = (event) => change(id, { gone: event.loaded });
  request.onloadend = () => {
    running.delete(id);
    change(id, { gone: file.size, ...outcome(request) });
    if (sent.find((each) => each.id === id)?.state !== "failed") files.delete(id);
    next();
  };
  request.send(file);
}

function outcome(request: XMLHttpRequest): Partial<Sent> {
  try {
    const body = JSON.parse(request.responseText || "null") as (UploadAnswer & { detail?: string; title?: string }) | null;
    if (request.status !== 200 || !body) return { state: "failed", reason: body?.detail || body?.title || "" };
    const states = ["failed", "quarantined", "filed", "already", "skipped"] as const;
    const reason = Object.keys(body.reasons)[0];
    return { state: states.find((each) => body[each] > 0) ?? "skipped", answer: body, reason };
  } catch {
    return { state: "failed", reason: "" };
  }
}

/** The files of what was dropped: folders are walked to their end. */
export async function filesOf(dropped: DataTransfer): Promise<File[]> {
  const entries = [...dropped.items].flatMap((item) => item.webkitGetAsEntry() ?? []);
  if (entries.length === 0) return [...dropped.files];
  const found: File[] = [];
  const walk = async (entry: FileSystemEntry): Promise<void> => {
    if (entry.isFile) {
      found.push(await new Promise<File>((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject)));
      return;
    }
    const reader = (entry as FileSystemDirectoryEntry).createReader();
    for (;;) {
      const some = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
      if (some.length === 0) return;
      for (const each of some) await walk(each);
    }
  };
  for (const entry of entries) await walk(entry);
  return found;
}

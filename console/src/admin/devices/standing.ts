import { useQuery } from "@tanstack/react-query";
import { api, type AssociationAnswer, type DestinationAnswer, type DeviceAnswer, type RecordingAnswer } from "../../api/v1";
import type { Tone } from "../parts";

/** How a device stands now. */
export interface Standing {
  tone: Tone;
  word: "off" | "talking" | "away" | "paused" | "failed" | "fine" | "silent";
  open: number;
  destination?: DestinationAnswer;
  last?: RecordingAnswer;
}

/** Of each device: what it has open, how sending to it goes, and its last association. */
export function useStanding(): (device: DeviceAnswer) => Standing {
  const associations = useQuery({ queryKey: ["associations"], queryFn: () => api.associations.show(), refetchInterval: 3000 });
  const destinations = useQuery({ queryKey: ["destinations"], queryFn: () => api.queues.destinations(), refetchInterval: 10_000 });
  const recordings = useQuery({ queryKey: ["recordings", "latest"], queryFn: () => api.recordingsResource.show({ query: { limit: 500 } }), refetchInterval: 10_000 });
  const open = count(associations.data?.associations ?? [], peerOf);
  const last = new Map<string, RecordingAnswer>();
  for (const each of recordings.data?.recordings ?? []) {
    const title = each.outgoing ? each.called_ae : each.calling_ae;
    if (!last.has(title)) last.set(title, each);
  }
  return (device) => {
    const destination = destinations.data?.destinations.find((each) => each.ae_title === device.ae_title);
    const found = { open: open.get(device.ae_title) ?? 0, destination, last: last.get(device.ae_title) };
    return { ...found, ...judged(device, found) };
  };
}

function judged(device: DeviceAnswer, { open, destination, last }: Omit<Standing, "tone" | "word">): Pick<Standing, "tone" | "word"> {
  if (!device.enabled) return { tone: "muted", word: "off" };
  if (destination?.state === "away") return { tone: "bad", word: "away" };
  if (open > 0) return { tone: "busy", word: "talking" };
  if (destination?.state === "paused") return { tone: "warn", word: "paused" };
  if (!last) return { tone: "muted", word: "silent" };
  return badly(last) ? { tone: "warn", word: "failed" } : { tone: "good", word: "fine" };
}

export const badly = (recording: RecordingAnswer) => recording.failures > 0 || !["released", "standing"].includes(recording.outcome);

const peerOf = (each: AssociationAnswer) => (each.inbound ? each.calling_ae : each.called_ae);

function count<Row>(rows: readonly Row[], key: (row: Row) => string): Map<string, number> {
  const found = new Map<string, number>();
  for (const row of rows) found.set(key(row), (found.get(key(row)) ?? 0) + 1);
  return found;
}

import { Alert, Button, Group, Text } from "@mantine/core";
import { IconUsers } from "@tabler/icons-react";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import { useTranslation } from "react-i18next";
import classes from "./editing.module.css";
import { showMoment } from "./format";
import { etagOf, Problem } from "./http";
import { Designed } from "./states";

/** What is edited: read when the form opens, with its entity tag; `again` reads it anew and begins the form anew. */
export function Editing<State extends object>({ of, read, children }: { of: readonly string[]; read: () => Promise<State>; children: (base: State, again: () => void) => ReactNode }) {
  const [round, setRound] = useState(0);
  const found = useQuery({ queryKey: ["editing", ...of, round], queryFn: read, structuralSharing: false, staleTime: Infinity, gcTime: 0, refetchOnWindowFocus: false, retry: 0 });
  if (found.isError) return <Designed.Failed error={found.error} retry={() => void found.refetch()} />;
  if (!found.data) return <div className={classes.wait}><Designed.Skeleton rows={6} /></div>;
  return <div key={round} style={{ display: "contents" }}>{children(found.data, () => setRound(round + 1))}</div>;
}

/** A value that somebody else changed while the form was open. */
interface Changed {
  label: string;
  before: string;
  now: string;
}

/** Why a change was not saved: somebody else was faster. */
export class Conflict extends Error {
  constructor(
    readonly changed: readonly Changed[],
    readonly who: string,
    readonly at: string,
    readonly gone: boolean,
    readonly tag: string | undefined,
  ) {
    super("conflict");
  }
}

interface SaveOf<State extends object, Result> {
  /** What the form began with; undefined for something new. */
  base: State | undefined;
  read: () => Promise<State>;
  write: (ifMatch: string | undefined) => Promise<Result>;
  /** The values of the form, by label: what else changed does not matter. */
  values: (state: State) => Record<string, unknown>;
  /** Who changed it last, where the state itself does not tell. */
  author?: (state: State) => Promise<{ who: string; at: string } | undefined>;
  refresh?: readonly (readonly string[])[];
  onDone?: (result: Result) => void;
}

/** Save an edit on the state that it was made on. When that changed meanwhile, nothing is overwritten: a Conflict says what did. */
export function useSave<State extends object, Result>({ base, read, write, values, author, refresh, onDone }: SaveOf<State, Result>) {
  const queries = useQueryClient();
  const explain = async (): Promise<Result> => {
    let theirs: State;
    try {
      theirs = await read();
    } catch (error) {
      if (error instanceof Problem && error.status === 404) throw new Conflict([], "", "", true, undefined);
      throw error;
    }
    const was = base ? values(base) : {};
    const now = values(theirs);
    const changed = Object.keys(now).filter((label) => plain(was[label]) !== plain(now[label])).map((label) => ({ label, before: plain(was[label]), now: plain(now[label]) }));
    if (changed.length === 0 && base) return write(etagOf(theirs)); // what changed is no value of this form
    const told = theirs as { changed_by?: string; changed_at?: string | null };
    const last = (await author?.(theirs)) ?? { who: told.changed_by ?? "", at: told.changed_at ?? "" };
    throw new Conflict(changed, last.who, last.at, false, etagOf(theirs));
  };
  return useMutation<Result, Error, string | undefined>({
    mutationFn: async (over) => {
      try {
        return await write(over ?? (base && etagOf(base)));
      } catch (error) {
        if (error instanceof Problem && error.status === 412) return explain();
        throw error;
      }
    },
    onSuccess: (result) => onDone?.(result),
    onSettled: () => { for (const key of refresh ?? []) void queries.invalidateQueries({ queryKey: key }); },
  });
}

function plain(value: unknown): string {
  if (value === undefined || value === null || value === "") return "–";
  if (Array.isArray(value) && value.every((each) => typeof each !== "object")) return value.join(", ") || "–";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

/** Who changed what while the form was open, and the two ways on. */
export function ConflictNote({ error, onReload, onOver }: { error: Error | null; onReload: () => void; onOver: (tag: string | undefined) => void }) {
  const { t } = useTranslation();
  if (!(error instanceof Conflict)) return null;
  if (error.gone)
    return (
      <Alert color="yellow" variant="outline" icon={<IconUsers size={16} />} title={t("conflict.gone")} role="alert" p="xs">
        {t("conflict.goneText")}
      </Alert>
    );
  return (
    <Alert color="yellow" variant="outline" icon={<IconUsers size={16} />} title={t(error.who ? "conflict.byWhom" : "conflict.title", { who: error.who, at: error.at && showMoment(error.at) })} role="alert" p="xs">
      <table className={classes.diff}>
        <thead><tr><th>{t("conflict.value")}</th><th>{t("conflict.before")}</th><th>{t("conflict.now")}</th></tr></thead>
        <tbody>{error.changed.map((each) => <tr key={each.label}><th scope="row">{each.label}</th><td>{each.before}</td><td>{each.now}</td></tr>)}</tbody>
      </table>
      <Text size="xs" mt={6}>{t("conflict.text")}</Text>
      <Group gap="xs" mt={8}>
        <Button size="compact-sm" onClick={onReload}>{t("conflict.reload")}</Button>
        <Button size="compact-sm" variant="default" onClick={() => onOver(error.tag)}>{t("conflict.over")}</Button>
      </Group>
    </Alert>
  );
}

import { Badge, Button, Group, Modal, Stack, Text } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { api, type DeletionShown } from "../api/v1";
import { showBytes, showMoment } from "../kit/format";
import { ReasonDialog } from "../kit/reason";
import { say } from "../kit/says";
import { Designed } from "../kit/states";
import { sum, type Thing } from "./data";

/** Ask everything that shows studies again. */
export function useStudiesChanged(): () => void {
  const queries = useQueryClient();
  return () => {
    for (const key of ["studies", "study", "patients", "instances", "deletions", "journal"]) void queries.invalidateQueries({ queryKey: [key] });
  };
}

/** Delete with a reason; what went can be brought back from where it is said. */
export function DeleteDialog({ things, onClose, onDone }: { things: Thing[]; onClose: () => void; onDone?: () => void }) {
  const { t } = useTranslation();
  const changed = useStudiesChanged();
  const kept = useQuery({ queryKey: ["deletions", "days"], queryFn: () => api.deletions.list({ query: { limit: 1 } }) });
  const undo = async (entries: number[]) => {
    try {
      let images = 0;
      for (const pk of entries) images += (await api.deletions.undo({ pk })).images;
      say(t("delete.undone", { images }));
    } catch (error) {
      say((error as Error).message, { bad: true });
    }
    changed();
  };
  const remove = useMutation({
    mutationFn: async (reason: string) => {
      const gone: { id: number; images: number }[] = [];
      try {
        for (const { study, series, instance } of things) gone.push(await api.deletions.delete({ body: { study, series, instance, reason } }));
      } finally {
        if (gone.length > 0) {
          const images = gone.reduce((all, each) => all + each.images, 0);
          say(t("delete.done", { images }), { action: { label: t("delete.undo"), run: () => void undo(gone.map((each) => each.id)) } });
        }
      }
    },
    onSuccess: () => {
      onDone?.();
      onClose();
    },
    onSettled: changed,
  });
  const what = things.length === 1 ? things[0]!.label : t("study.studies", { count: things.length });
  return (
    <ReasonDialog
      danger
      title={t("delete.title")}
      what={t("delete.what", { what, images: sum(things, "images"), size: showBytes(sum(things, "bytes")), days: Math.round(kept.data?.keep_days ?? 7) })}
      usual={t("delete.usual", { returnObjects: true }) as string[]}
      action={t("delete.action")}
      busy={remove.isPending}
      error={remove.error}
      onClose={onClose}
      onDo={(reason) => remove.mutate(reason)}
    />
  );
}

/** What was deleted lately, and back with it. */
export function Deleted({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation();
  const found = useQuery({ queryKey: ["deletions"], queryFn: () => api.deletions.list({ query: { limit: 100 } }) });
  return (
    <Modal opened onClose={onClose} title={t("delete.recent")} size="lg" closeButtonProps={{ "aria-label": t("common.close") }}>
      {found.isLoading && <Designed.Skeleton rows={5} />}
      {found.isError && <Designed.Failed error={found.error} retry={() => void found.refetch()} />}
      {found.data?.deletions.length === 0 && <Text c="dimmed" size="sm">{t("delete.none")}</Text>}
      <Stack gap={0}>{found.data?.deletions.map((each) => <Past key={each.id} past={each} />)}</Stack>
    </Modal>
  );
}

function Past({ past }: { past: DeletionShown }) {
  const { t } = useTranslation();
  const changed = useStudiesChanged();
  const undo = useMutation({
    mutationFn: () => api.deletions.undo({ pk: past.id }),
    onSuccess: (back) => say(t("delete.undone", { images: back.images })),
    onError: (error) => say(error.message, { bad: true }),
    onSettled: changed,
  });
  const [level = "", uid = ""] = past.target.split(":");
  return (
    <Group justify="space-between" wrap="nowrap" py={8} style={{ borderBottom: "1px solid var(--faint)" }}>
      <div style={{ minWidth: 0 }}>
        <Text size="sm">{past.why || t("history.empty")} · {t(`delete.${level}`, { defaultValue: level })} · {t("study.seriesImages", { count: past.images })}</Text>
        <Text size="xs" c="dimmed" truncate>{t("delete.by", { who: past.who, at: showMoment(past.at) })} · {uid}</Text>
      </div>
      {past.undone || past.final ? <Badge variant="light" color="gray" size="sm">{t(past.undone ? "delete.back" : "delete.final")}</Badge> : (
        <Button size="compact-xs" variant="light" loading={undo.isPending} onClick={() => undo.mutate()} title={past.final_at ? t("delete.until", { until: showMoment(past.final_at) }) : undefined}>
          {t("delete.undo")}
        </Button>
      )}
    </Group>
  );
}

import { Badge, Button, Group, Modal, Text } from "@mantine/core";
import { useMutation, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import type { Attribute } from "../api/dicomweb";
import { api, type JournalEntry } from "../api/v1";
import { showMoment } from "../kit/format";
import { ReasonDialog } from "../kit/reason";
import { Designed } from "../kit/states";
import { useStudiesChanged } from "./delete";
import classes from "./studies.module.css";
import { TAG_NAMES, valueOf } from "./values";

/** Who changed what of some targets of the journal, when and why; each change can be taken back. */
export function History({ targets, onClose }: { targets: string[]; onClose: () => void }) {
  const { t } = useTranslation();
  const [undoing, setUndoing] = useState<JournalEntry>();
  const found = useQuery({
    queryKey: ["journal", ...targets],
    queryFn: async () => {
      const pages = await Promise.all(targets.map((target) => api.corrections.journal({ query: { target, limit: 200 } })));
      return pages.flatMap((page) => page.entries).sort((one, other) => other.id - one.id);
    },
  });
  return (
    <Modal opened onClose={onClose} size="lg" title={t("history.title")} closeButtonProps={{ "aria-label": t("common.close") }}>
      <Text size="sm" c="dimmed" mb="sm">{t("history.note")}</Text>
      {found.isLoading && <Designed.Skeleton rows={4} />}
      {found.isError && <Designed.Failed error={found.error} retry={() => void found.refetch()} />}
      {found.data?.length === 0 && <Text size="sm">{t("history.none")}</Text>}
      {found.data?.map((entry) => <Entry key={entry.id} entry={entry} onUndo={() => setUndoing(entry)} />)}
      {undoing && <Undo entry={undoing} onClose={() => setUndoing(undefined)} />}
    </Modal>
  );
}

function Entry({ entry, onUndo }: { entry: JournalEntry; onUndo: () => void }) {
  const { t } = useTranslation();
  const before = (entry.before?.attributes ?? {}) as Record<string, Attribute | null>;
  const after = (entry.after?.attributes ?? {}) as Record<string, Attribute | null>;
  const shown = (value: Attribute | null | undefined) => (value ? valueOf(value, "…") : "") || t("history.empty");
  return (
    <div className={classes.entry}>
      <Group justify="space-between" wrap="nowrap">
        <Text size="sm">
          <b>{t(`history.${entry.action}`, { defaultValue: entry.action })}</b> · {entry.why || t("history.empty")}
        </Text>
        {entry.undone_by !== null ? <Badge size="sm" variant="light" color="gray">{t("history.undone")}</Badge> : (
          ["correct", "merge"].includes(entry.action) && <Button size="compact-xs" variant="light" onClick={onUndo}>{t("delete.undo")}</Button>
        )}
      </Group>
      <Text size="xs" c="dimmed">{t("delete.by", { who: entry.who, at: showMoment(entry.at) })}</Text>
      {Object.keys(after).map((tag) => (
        <Text key={tag} size="xs" mt={2}>
          {TAG_NAMES[tag] ?? tag}: <del>{shown(before[tag])}</del> → <ins style={{ textDecoration: "none", fontWeight: 600 }}>{shown(after[tag])}</ins>
        </Text>
      ))}
    </div>
  );
}

function Undo({ entry, onClose }: { entry: JournalEntry; onClose: () => void }) {
  const { t } = useTranslation();
  const changed = useStudiesChanged();
  const undo = useMutation({ mutationFn: (why: string) => api.corrections.undo({ pk: entry.id, body: { why } }), onSuccess: onClose, onSettled: changed });
  return (
    <ReasonDialog title={t("delete.undo")} what={t("history.undoAsk")} action={t("delete.undo")} busy={undo.isPending} error={undo.error} onClose={onClose} onDo={(why) => undo.mutate(why)} />
  );
}

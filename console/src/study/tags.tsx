import { ActionIcon, Group, Modal, Text, TextInput } from "@mantine/core";
import { IconChevronLeft, IconChevronRight } from "@tabler/icons-react";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { metadataOf } from "../api/dicomweb";
import { Designed } from "../kit/states";
import classes from "./studies.module.css";
import { rowsOf } from "./values";

interface Props {
  study: string;
  series: string;
  instances: string[];
  at: number;
  onClose: () => void;
}

/** Every attribute of an image, searched by tag, name or value; the neighbours are one step away. */
export function Tags({ study, series, instances, at: first, onClose }: Props) {
  const { t } = useTranslation();
  const [wanted, setWanted] = useState("");
  const [at, setAt] = useState(first);
  const uid = instances[at];
  const read = useQuery({ queryKey: ["tags", study, series, uid], queryFn: () => metadataOf(study, series, uid ?? ""), enabled: uid !== undefined, placeholderData: keepPreviousData });
  const rows = read.data ? rowsOf(read.data, t("tags.bulk")) : [];
  const words = wanted.toLowerCase().split(/\s+/).filter(Boolean);
  const shown = rows.filter((row) => {
    const text = `${row.tag} ${row.path} ${row.vr} ${row.name} ${row.value}`.toLowerCase();
    return words.every((word) => text.includes(word));
  });
  const go = (by: number) => setAt(Math.max(0, Math.min(instances.length - 1, at + by)));
  return (
    <Modal opened onClose={onClose} size={920} title={t("tags.title")} closeButtonProps={{ "aria-label": t("common.close") }}>
      <Group mb="sm" wrap="nowrap">
        <TextInput style={{ flex: 1 }} value={wanted} onChange={(event) => setWanted(event.currentTarget.value)} placeholder={t("tags.search")} aria-label={t("tags.search")} data-autofocus />
        <Text size="xs" c="dimmed" aria-live="polite">{t("tags.shown", { count: shown.length })}</Text>
        <Group gap={2} wrap="nowrap">
          <ActionIcon variant="subtle" color="gray" disabled={at === 0} onClick={() => go(-1)} aria-label={t("tags.before")}><IconChevronLeft size={16} /></ActionIcon>
          <Text size="xs" style={{ fontVariantNumeric: "tabular-nums", whiteSpace: "nowrap" }}>{t("tags.of", { at: at + 1, total: instances.length })}</Text>
          <ActionIcon variant="subtle" color="gray" disabled={at >= instances.length - 1} onClick={() => go(1)} aria-label={t("tags.after")}><IconChevronRight size={16} /></ActionIcon>
        </Group>
      </Group>
      {read.isLoading && <Designed.Skeleton rows={10} />}
      {read.isError && <Designed.Failed error={read.error} retry={() => void read.refetch()} />}
      {read.data && shown.length === 0 && <Text size="sm" c="dimmed" py="lg" ta="center">{t("tags.none")}</Text>}
      {shown.length > 0 && (
        <table className={classes.tags}>
          <thead>
            <tr>
              <th style={{ width: 132 }}>{t("tags.tag")}</th>
              <th style={{ width: 40 }}>{t("tags.vr")}</th>
              <th style={{ width: 260 }}>{t("tags.name")}</th>
              <th>{t("tags.value")}</th>
            </tr>
          </thead>
          <tbody>
            {shown.map((row, index) => (
              <tr key={`${row.path}${index}`}>
                <td style={{ paddingInlineStart: 8 + row.depth * 14 }}>{row.path}</td>
                <td>{row.vr}</td>
                <td>{row.name}</td>
                <td>{row.value}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </Modal>
  );
}

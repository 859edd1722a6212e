import { Modal, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { type Attribute, type Dataset, findInstances, metadataOf, text } from "../api/dicomweb";
import type { PersonName } from "../kit/format";
import { Designed } from "../kit/states";
import classes from "./studies.module.css";

interface Row {
  path: string;
  depth: number;
  vr: string;
  value: string;
}

/** Every attribute of the first image of a series. */
export function Tags({ study, series, onClose }: { study: string; series: string; onClose: () => void }) {
  const { t } = useTranslation();
  const [wanted, setWanted] = useState("");
  const read = useQuery({
    queryKey: ["tags", study, series],
    queryFn: async () => {
      const [first] = await findInstances(study, series);
      return first ? metadataOf(study, series, text(first, "00080018")) : undefined;
    },
  });
  const rows = read.data ? flatten(read.data, 0, t("study.bulk")) : [];
  const shown = rows.filter((row) => `${row.path} ${row.value}`.toLowerCase().includes(wanted.toLowerCase()));
  return (
    <Modal opened onClose={onClose} size="xl" title={`${t("study.tags")} · ${t("study.firstImage")}`}>
      <TextInput mb="sm" value={wanted} onChange={(event) => setWanted(event.currentTarget.value)} placeholder={t("study.tagSearch")} aria-label={t("study.tagSearch")} data-autofocus />
      {read.isLoading && <Designed.Skeleton rows={10} />}
      {read.isError && <Designed.Failed error={read.error} />}
      <table className={classes.tags}>
        <thead>
          <tr>
            <th style={{ width: 130 }}>{t("study.tag")}</th>
            <th style={{ width: 44 }}>{t("study.vr")}</th>
            <th>{t("study.value")}</th>
          </tr>
        </thead>
        <tbody>
          {shown.map((row, index) => (
            <tr key={`${row.path}${index}`}>
              <td style={{ paddingInlineStart: 8 + row.depth * 14 }}>{row.path}</td>
              <td>{row.vr}</td>
              <td>{row.value}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Modal>
  );
}

function flatten(dataset: Dataset, depth: number, bulk: string): Row[] {
  return Object.entries(dataset).flatMap(([tag, attribute]) => {
    const path = `(${tag.slice(0, 4)},${tag.slice(4)})`;
    const row = { path, depth, vr: attribute.vr, value: attribute.vr === "SQ" ? "" : shown(attribute, bulk) };
    const below = attribute.vr === "SQ" ? ((attribute.Value ?? []) as Dataset[]).flatMap((item) => flatten(item, depth + 1, bulk)) : [];
    return [row, ...below];
  });
}

function shown(attribute: Attribute, bulk: string): string {
  if (attribute.BulkDataURI !== undefined || attribute.InlineBinary !== undefined) return bulk;
  return (attribute.Value ?? [])
    .map((value) => {
      if (value === null) return "";
      if (typeof value !== "object") return String(value);
      const name = value as PersonName;
      return [name.Alphabetic, name.Ideographic, name.Phonetic].filter(Boolean).join(" = ");
    })
    .join(" \\ ");
}

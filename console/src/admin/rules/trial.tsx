import { Group, Select, Text, TextInput } from "@mantine/core";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { type Dataset, text } from "../../api/dicomweb";
import { api } from "../../api/v1";
import { type PersonName, showDate, showName } from "../../kit/format";
import { getJson } from "../../kit/http";
import classes from "../admin.module.css";
import { Note, State } from "../parts";

const TYPING_MS = 300;

/** Whether a condition can be read, and whether it holds for an object of the archive, test by test. */
export function Trial({ condition }: { condition: string }) {
  const { t } = useTranslation();
  const [study, setStudy] = useState<string | null>(null);
  const [calling, setCalling] = useState("");
  const typed = useLater(condition);
  const caller = useLater(calling);
  const studies = useQuery({ queryKey: ["trial-studies"], queryFn: latestStudies });
  const object = useQuery({ queryKey: ["trial-object", study], queryFn: () => firstOf(study!), enabled: study !== null });
  const tried = useQuery({
    queryKey: ["trial", typed, caller, study, object.dataUpdatedAt],
    queryFn: () => api.rules.tryOut({ body: { condition: typed, dataset: object.data ?? {}, calling: caller, door: "dimse" } }),
    placeholderData: keepPreviousData,
  });
  const found = tried.data;
  return (
    <>
      <Group gap="xs" mb={8} grow>
        <Select size="xs" label={t("rules.against")} placeholder={t("rules.noObject")} searchable clearable value={study} onChange={setStudy} data={(studies.data ?? []).map((row) => ({ value: text(row, "0020000D"), label: nameOf(row) }))} />
        <TextInput size="xs" label={t("rules.calling")} value={calling} onChange={(event) => setCalling(event.currentTarget.value)} />
      </Group>
      <div aria-live="polite">
        {tried.isError && <Note tone="bad">{tried.error.message}</Note>}
        {found?.error && (
          <Note tone="bad" title={t("rules.unreadable")}>
            {found.error}
            {found.at !== null && found.at !== undefined && <pre className={classes.pre}>{typed.slice(0, found.at)}<b className={classes.bad}>⟩</b>{typed.slice(found.at)}</pre>}
          </Note>
        )}
        {found && !found.error && (
          <Note tone={found.holds ? "good" : "muted"} title={study || caller ? <State tone={found.holds ? "good" : "muted"}>{t(found.holds ? "rules.holds" : "rules.holdsNot")}</State> : t("rules.readable")}>
            {(study || caller) ? <pre className={classes.pre}>{found.lines.join("\n")}</pre> : <Text size="xs" c="dimmed">{t("rules.chooseObject")}</Text>}
          </Note>
        )}
      </div>
    </>
  );
}

const JSON_MODEL = "application/dicom+json";

const latestStudies = () => getJson<Dataset[]>("/dicom-web/studies?limit=100&includefield=00081030&includefield=00080061", JSON_MODEL);

/** The attributes of the first object of a study. */
async function firstOf(study: string): Promise<Dataset> {
  const [first] = await getJson<Dataset[]>(`/dicom-web/studies/${study}/instances?limit=1`, JSON_MODEL);
  if (!first) return {};
  const [whole] = await getJson<Dataset[]>(`/dicom-web/studies/${study}/series/${text(first, "0020000E")}/instances/${text(first, "00080018")}/metadata`, JSON_MODEL);
  return whole ?? {};
}

function nameOf(row: Dataset): string {
  const { main } = showName(row["00100010"]?.Value?.[0] as PersonName | undefined);
  return [main || text(row, "00100020"), (row["00080061"]?.Value ?? []).join(" "), showDate(text(row, "00080020")), text(row, "00081030")].filter(Boolean).join(" · ");
}

function useLater(value: string): string {
  const [late, setLate] = useState(value);
  useEffect(() => {
    const soon = setTimeout(() => setLate(value), TYPING_MS);
    return () => clearTimeout(soon);
  }, [value]);
  return late;
}

import { ActionIcon, Button, Group, Text } from "@mantine/core";
import { IconEye, IconX } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { type Dataset, findSeries, person, text, texts, thumbnailOf, viewerLink } from "../api/dicomweb";
import { showAge, showDate, showName, showSex, showTime } from "../kit/format";
import { Designed } from "../kit/states";
import type { Language } from "../kit/words";
import classes from "./studies.module.css";
import { Tags } from "./tags";

/** One study beside the list: whose it is, its series, and the way into the viewer. */
export function StudyPanel({ uid, known, onClose }: { uid: string; known?: Dataset; onClose: () => void }) {
  const { t } = useTranslation();
  const series = useQuery({ queryKey: ["series", uid], queryFn: () => findSeries(uid) });
  const [tagsOf, setTagsOf] = useState<string>();
  return (
    <aside className={classes.panel} aria-label={t("study.description")}>
      <div className={classes.patient}>
        <Group justify="space-between" wrap="nowrap" align="start">
          {known ? <Banner study={known} /> : <Text size="sm">{uid}</Text>}
          <ActionIcon variant="subtle" color="gray" onClick={onClose} aria-label={t("common.close")}>
            <IconX size={16} />
          </ActionIcon>
        </Group>
        {known && <Facts study={known} />}
        <Button component="a" href={viewerLink(uid)} target="_blank" rel="noopener" size="compact-sm" mt={10} leftSection={<IconEye size={16} />}>
          {t("study.open")}
        </Button>
      </div>
      <div className={classes.scroll}>
        {series.isLoading && <Designed.Skeleton rows={4} />}
        {series.isError && <Designed.Failed error={series.error} retry={() => void series.refetch()} />}
        {series.data?.map((each) => <Series key={text(each, "0020000E")} study={uid} series={each} onTags={setTagsOf} />)}
      </div>
      {tagsOf && <Tags study={uid} series={tagsOf} onClose={() => setTagsOf(undefined)} />}
    </aside>
  );
}

function Banner({ study }: { study: Dataset }) {
  const { t, i18n } = useTranslation();
  const language = i18n.language as Language;
  const { main, other } = showName(person(study, "00100010"));
  const parts = [
    showSex(text(study, "00100040"), language),
    showAge(text(study, "00100030"), text(study, "00080020"), language),
    text(study, "00100030") && `${t("study.birth")} ${showDate(text(study, "00100030"))}`,
  ].filter(Boolean);
  return (
    <div>
      <Text fw={650} size="lg" lh={1.25}>{main || t("study.noName")}</Text>
      {other && <Text c="dimmed" size="sm">{other}</Text>}
      <Text size="sm">{parts.join(" · ")}</Text>
      <Text size="sm" style={{ fontVariantNumeric: "tabular-nums" }}>
        {text(study, "00100020") || t("study.noId")}
        {text(study, "00100021") && <Text span c="dimmed" inherit> · {text(study, "00100021")}</Text>}
      </Text>
    </div>
  );
}

function Facts({ study }: { study: Dataset }) {
  const { t } = useTranslation();
  const referring = showName(person(study, "00080090"));
  const facts = [
    [t("study.description"), text(study, "00081030") || t("study.noDescription")],
    [t("study.date"), `${showDate(text(study, "00080020"))} ${showTime(text(study, "00080030"))}`],
    [t("study.modality"), texts(study, "00080061").join(" ")],
    [t("study.accession"), text(study, "00080050")],
    [t("study.referring"), referring.main],
    [t("study.uid"), text(study, "0020000D")],
  ].filter(([, value]) => value?.trim());
  return (
    <dl className={classes.facts}>
      {facts.map(([label, value]) => (
        <div key={label} style={{ display: "contents" }}>
          <dt>{label}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

// Modalities whose objects are no images.
const WITHOUT_PICTURE = new Set(["SR", "KO", "PR", "RTSTRUCT", "RTPLAN", "RTRECORD", "REG", "DOC", "ECG", "HD", "AU", "PLAN"]);

function Series({ study, series, onTags }: { study: string; series: Dataset; onTags: (uid: string) => void }) {
  const { t } = useTranslation();
  const uid = text(series, "0020000E");
  const [hidden, setHidden] = useState(WITHOUT_PICTURE.has(text(series, "00080060")));
  const number = text(series, "00200011");
  return (
    <button type="button" className={classes.series} onClick={() => onTags(uid)} title={t("study.tags")}>
      {hidden ? <div className={classes.glyph}>{text(series, "00080060")}</div> : (
        <img className={classes.thumb} src={thumbnailOf(study, uid)} alt="" loading="lazy" onError={() => setHidden(true)} />
      )}
      <div style={{ minWidth: 0 }}>
        <Text size="sm" truncate>{text(series, "0008103E") || t("study.noDescription")}</Text>
        <Text size="xs" c="dimmed">
          {[number && `#${number}`, text(series, "00080060"), t("study.seriesImages", { count: Number(text(series, "00201209") || 0) })].filter(Boolean).join(" · ")}
        </Text>
      </div>
    </button>
  );
}

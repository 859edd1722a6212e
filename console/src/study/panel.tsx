import { ActionIcon, Anchor, Button, CopyButton, Group, Text, Tooltip } from "@mantine/core";
import { IconArrowsMaximize, IconCopy, IconEye, IconX } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { useLive } from "../api/live";
import { api, type StudyShown } from "../api/v1";
import { harmless, showBytes, showDate, showMoment, showName, showTime } from "../kit/format";
import { Problem } from "../kit/http";
import { Designed } from "../kit/states";
import { GlassDialog } from "../rights/out/glass";
import { useActions, useMay } from "./actions";
import { Banner } from "./banner";
import { nameOf, STUDY_FACTS, viewerLink } from "./data";
import { Series } from "./series";
import classes from "./studies.module.css";

interface Props {
  uid: string;
  /** The row of the list, shown until the study itself is there. */
  known?: StudyShown;
  /** Fills the room instead of standing beside a list. */
  whole?: boolean;
  onClose: () => void;
}

/** One study: whose it is, what is known of it, its series, and everything that can be done with it. */
export function StudyPanel({ uid, known, whole, onClose }: Props) {
  const { t } = useTranslation();
  const found = useQuery({ queryKey: ["study", uid], queryFn: () => api.studies.show({ uid }) });
  useLive(STUDY_FACTS, ["study", uid]);
  const { ofStudies, dialog } = useActions(onClose);
  // What was clicked; a series alone on a page is open from the start.
  const [clicked, setClicked] = useState<ReadonlySet<string>>(new Set());
  const may = useMay();
  const [glass, setGlass] = useState(false);
  const study = found.data?.study ?? known;
  const acts = study ? ofStudies([study], found.data?.patient_target) : [];
  const toggle = (series: string) => {
    const next = new Set(clicked);
    if (!next.delete(series)) next.add(series);
    setClicked(next);
  };
  const alone = whole === true && found.data?.series.length === 1;
  const gone = found.error instanceof Problem && found.error.status === 404;
  return (
    <aside className={whole ? classes.page : classes.panel} aria-label={t("study.actionsOf")}>
      <div className={classes.patient}>
        <Group justify="space-between" wrap="nowrap" align="start">
          {study ? <Banner patient={study.patient} day={study.date} /> : <Text size="sm" style={{ overflowWrap: "anywhere" }}>{uid}</Text>}
          <Group gap={2} wrap="nowrap">
            {!whole && (
              <Tooltip label={t("study.whole")}>
                <ActionIcon variant="subtle" color="gray" component={Link} to="/studies/$uid" params={{ uid } as never} aria-label={t("study.whole")}>
                  <IconArrowsMaximize size={16} />
                </ActionIcon>
              </Tooltip>
            )}
            <ActionIcon variant="subtle" color="gray" onClick={onClose} aria-label={t(whole ? "study.back" : "common.close")}>
              <IconX size={16} />
            </ActionIcon>
          </Group>
        </Group>
        {study && <Facts study={study} wide={whole} />}
        <Group gap={6} mt={10}>
          <Button component="a" href={viewerLink(uid)} target="_blank" rel="noopener" size="compact-sm" leftSection={<IconEye size={16} />}>
            {t("study.open")}
          </Button>
          {acts.filter((act) => act.name !== "open").map((act) =>
            act.name === "zip" ? (
              <Button key={act.name} size="compact-sm" variant="default" leftSection={<act.icon size={15} />} onClick={act.run}>{act.label}</Button>
            ) : (
              <Tooltip key={act.name} label={act.label}>
                <ActionIcon size={26} variant="default" c={act.danger ? "red" : undefined} onClick={act.run} aria-label={act.label}><act.icon size={15} /></ActionIcon>
              </Tooltip>
            ),
          )}
        </Group>
      </div>
      <div className={whole ? classes.wideScroll : classes.scroll}>
        {found.isLoading && <Designed.Skeleton rows={4} />}
        {gone && (
          <Designed.Empty title={t("study.gone")} hint={t("study.goneHint")}
            action={may("break-glass") && !may("protected") && <Text size="sm" c="dimmed">{t("glass.lead")} <Anchor component="button" size="sm" onClick={() => setGlass(true)}>{t("glass.action")}</Anchor></Text>} />
        )}
        {found.isError && !gone && <Designed.Failed error={found.error} retry={() => void found.refetch()} />}
        {found.data?.series.map((each) => (
          <Series key={each.uid} study={uid} series={each} open={clicked.has(each.uid) !== alone} onToggle={() => toggle(each.uid)} />
        ))}
      </div>
      {glass && <GlassDialog study={uid} onClose={() => setGlass(false)} onOpen={() => void found.refetch()} />}
      {dialog}
    </aside>
  );
}

function Facts({ study, wide }: { study: StudyShown; wide?: boolean }) {
  const { t } = useTranslation();
  const referring = showName(nameOf(study.referring));
  const facts: [string, string][] = [
    [t("study.description"), study.description || t("study.noDescription")],
    [t("study.date"), `${showDate(study.date)} ${showTime(study.time)}`],
    [t("study.modality"), study.modalities.join(" ")],
    [t("study.images"), `${t("study.seriesImages", { count: study.images })} · ${t("study.seriesCount", { count: study.series })} · ${showBytes(study.size_bytes)}`],
    [t("study.accession"), study.accession],
    [t("study.referring"), referring.main],
    [t("study.received"), study.received_at ? showMoment(study.received_at) : ""],
  ];
  return (
    <>
      <dl className={wide ? classes.wideFacts : classes.facts}>
        {facts.filter(([, value]) => value.trim()).map(([label, value]) => (
          <div key={label} style={{ display: "contents" }}>
            <dt>{label}</dt>
            <dd>{harmless(value)}</dd>
          </div>
        ))}
        <dt>{t("study.uid")}</dt>
        <dd>
          {study.uid}
          <CopyButton value={study.uid}>
            {({ copied, copy }) => (
              <ActionIcon size="xs" variant="subtle" color={copied ? "green" : "gray"} onClick={copy} aria-label={`${t("common.copy")} ${t("study.uid")}`}><IconCopy size={12} /></ActionIcon>
            )}
          </CopyButton>
        </dd>
      </dl>
      {study.patient.id && (
        <Anchor component={Link} to="/patients" search={{ patient: study.patient.id, issuer: study.patient.issuer || undefined } as never} size="xs" mt={6} display="inline-block">
          {t("study.patientStudies")}
        </Anchor>
      )}
    </>
  );
}

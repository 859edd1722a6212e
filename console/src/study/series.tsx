import { ActionIcon, Button, Menu, Text } from "@mantine/core";
import { IconChevronDown, IconChevronRight, IconDotsVertical, IconListDetails } from "@tabler/icons-react";
import { useInfiniteQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { findInstances, text } from "../api/dicomweb";
import type { SeriesShown } from "../api/v1";
import { showBytes } from "../kit/format";
import { Designed } from "../kit/states";
import { type Act, useActions } from "./actions";
import { seriesThing, type Thing, thumbnailOf } from "./data";
import classes from "./studies.module.css";
import { Tags } from "./tags";

// Modalities whose objects are no images.
const WITHOUT_PICTURE = new Set(["SR", "KO", "PR", "RTSTRUCT", "RTPLAN", "RTRECORD", "REG", "DOC", "ECG", "HD", "AU", "PLAN"]);
const PAGE = 60;

/** One series of a study: what it is, its images one step below, and what can be done with it. */
export function Series({ study, series, open, onToggle }: { study: string; series: SeriesShown; open: boolean; onToggle: () => void }) {
  const { t } = useTranslation();
  const { ofThing, dialog } = useActions();
  const facts = [series.number && `#${series.number}`, series.modality, t("study.seriesImages", { count: series.images }), showBytes(series.size_bytes), series.body_part];
  const label = series.description || series.protocol || t("study.noDescription");
  return (
    <section className={classes.block}>
      <div className={classes.series}>
        <button type="button" className={classes.open} onClick={onToggle} aria-expanded={open}>
          <Picture study={study} series={series} />
          <span style={{ minWidth: 0 }}>
            <Text size="sm" truncate component="span" display="block" title={label}>{label}</Text>
            <Text size="xs" c="dimmed" component="span" display="block" truncate>{facts.filter(Boolean).join(" · ")}</Text>
          </span>
          {open ? <IconChevronDown size={16} aria-hidden /> : <IconChevronRight size={16} aria-hidden />}
        </button>
        <More acts={ofThing(seriesThing(study, series, label))} label={`${t("common.actions")} ${label}`} />
      </div>
      {open && <Instances study={study} series={series} />}
      {dialog}
    </section>
  );
}

function Picture({ study, series }: { study: string; series: SeriesShown }) {
  const [hidden, setHidden] = useState(WITHOUT_PICTURE.has(series.modality));
  if (hidden) return <span className={classes.glyph}>{series.modality || "?"}</span>;
  return <img className={classes.thumb} src={thumbnailOf(study, series.uid)} alt="" loading="lazy" onError={() => setHidden(true)} />;
}

/** A menu of actions behind three dots. */
export function More({ acts, label }: { acts: Act[]; label: string }) {
  if (acts.length === 0) return null;
  return (
    <Menu position="bottom-end">
      <Menu.Target>
        <ActionIcon variant="subtle" color="gray" aria-label={label}>
          <IconDotsVertical size={16} />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        {acts.map((act) => (
          <Menu.Item key={act.name} color={act.danger ? "red" : undefined} leftSection={<act.icon size={15} />} onClick={act.run}>{act.label}</Menu.Item>
        ))}
      </Menu.Dropdown>
    </Menu>
  );
}

function Instances({ study, series }: { study: string; series: SeriesShown }) {
  const { t } = useTranslation();
  const { ofThing, dialog } = useActions();
  const [at, setAt] = useState<number>();
  const found = useInfiniteQuery({
    queryKey: ["instances", study, series.uid],
    queryFn: ({ pageParam }) => findInstances(study, series.uid, PAGE, pageParam),
    initialPageParam: 0,
    getNextPageParam: (last, pages) => (last.length === PAGE ? pages.length * PAGE : undefined),
  });
  const rows = found.data?.pages.flat() ?? [];
  const uids = rows.map((row) => text(row, "00080018"));
  const average = series.images > 0 ? series.size_bytes / series.images : 0;
  if (found.isLoading) return <Designed.Skeleton rows={2} />;
  if (found.isError) return <Designed.Failed error={found.error} retry={() => void found.refetch()} />;
  const thing = (uid: string, number: string): Thing => ({ study, series: series.uid, instance: uid, label: `${t("study.instance")} ${number}`, images: 1, bytes: average });
  return (
    <div className={classes.instances} role="group" aria-label={t("study.instances")}>
      {rows.map((row, place) => {
        const uid = uids[place]!;
        const number = text(row, "00200013") || String(place + 1);
        return (
          <div key={uid} className={classes.instance}>
            <button type="button" className={classes.picture} onClick={() => setAt(place)} title={`${t("tags.title")} ${number}`} aria-label={`${t("tags.title")} ${number}`}>
              {WITHOUT_PICTURE.has(series.modality) ? <IconListDetails size={20} aria-hidden /> : <img src={thumbnailOf(study, series.uid, uid)} alt="" loading="lazy" onError={(event) => event.currentTarget.remove()} />}
            </button>
            <span className={classes.number}>{number}</span>
            <More label={`${t("common.actions")} ${number}`} acts={ofThing(thing(uid, number)).map((act) => (act.name === "zip" ? { ...act, label: t("get.file") } : act))} />
          </div>
        );
      })}
      {found.hasNextPage && (
        <Button size="compact-xs" variant="default" loading={found.isFetchingNextPage} onClick={() => void found.fetchNextPage()}>{t("study.showMore")}</Button>
      )}
      {at !== undefined && <Tags study={study} series={series.uid} instances={uids} at={at} onClose={() => setAt(undefined)} />}
      {dialog}
    </div>
  );
}

import "../words";
import { Text, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { api, type Explained, type QueryShown, type VerdictShown } from "../../api/v1";
import { showDate, showTime } from "../../kit/format";
import { Designed } from "../../kit/states";
import { type Column, Table } from "../../kit/table";
import classes from "../admin.module.css";
import { Facts, Note, Panel, Room, Section, State, useAddress, When } from "../parts";
import { useTabs } from "./tabs";

/** What modalities asked of the worklist, and which key removed which patient. */
export function WorklistQueries() {
  const { t } = useTranslation();
  const tabs = useTabs();
  const [at, go] = useAddress();
  const asked = useQuery({ queryKey: ["worklist-queries", at.ae], queryFn: () => api.worklist.queries({ query: { calling_ae: at.ae ?? "", limit: 500 } }), refetchInterval: 5000 });
  const rows = asked.data?.queries ?? [];
  const open = rows.find((row) => String(row.id) === at.query);
  const columns: Column<QueryShown>[] = [
    { key: "at", title: t("worklist.at"), width: "172px", cell: (row) => <When at={row.at} /> },
    { key: "ae", title: t("callers.calling"), width: "minmax(140px, 1fr)", cell: (row) => row.calling_ae },
    { key: "matches", title: t("worklist.matches"), width: "minmax(110px, 0.8fr)", cell: (row) => <State tone={row.status !== "0000" ? "bad" : row.matches === 0 ? "warn" : "good"}>{row.status !== "0000" ? row.status : t("worklist.steps", { count: row.matches })}</State> },
    { key: "keys", title: t("worklist.keys"), width: "minmax(220px, 4fr)", cell: (row) => keysOf(row.identifier).map(([name, value]) => `${name}=${value}`).join("  ") },
    { key: "ms", title: t("recorder.took"), width: "80px", numeric: true, cell: (row) => `${Math.round(row.took_ms)} ms` },
  ];
  return (
    <Room tabs={tabs}
      tools={<>
        <TextInput size="xs" w={200} value={at.ae ?? ""} onChange={(event) => go({ ae: event.currentTarget.value || undefined })} placeholder={t("recorder.ae")} aria-label={t("recorder.ae")} />
        <Text size="xs" c="dimmed">{t("worklist.about")}</Text>
        <div className={classes.spacer} />
        <Text size="xs" c="dimmed">{t("common.shown", { shown: rows.length })}</Text>
      </>}
      panel={open && <Explanation key={open.id} query={open} day={at.day ?? ""} onDay={(day) => go({ day: day || undefined })} onClose={() => go({ query: undefined, day: undefined })} />}>
      {asked.isError ? <Designed.Failed error={asked.error} retry={() => void asked.refetch()} /> : (
        <Table label={t("devices.tab.worklist")} columns={open ? columns.slice(0, 3) : columns} rows={rows} rowKey={(row) => String(row.id)} selected={at.query} loading={asked.isLoading}
          onSelect={(row) => go({ query: String(row.id), day: undefined })} empty={<Designed.Empty title={t("worklist.empty")} hint={t("worklist.emptyHint")} />} />
      )}
    </Room>
  );
}

interface Element {
  vr: string;
  Value?: unknown[];
}

const NAMES: Record<string, string> = {
  "00080050": "AccessionNumber", "00080060": "Modality", "00100010": "PatientName", "00100020": "PatientID", "00400001": "ScheduledStationAETitle",
  "00400002": "ScheduledProcedureStepStartDate", "00400003": "ScheduledProcedureStepStartTime", "00400100": "ScheduledProcedureStepSequence", "00400006": "ScheduledPerformingPhysicianName",
  "00401001": "RequestedProcedureID", "00400009": "ScheduledProcedureStepID", "00080005": "SpecificCharacterSet", "0020000D": "StudyInstanceUID",
};

/** The keys with a value: those that narrow the answer. */
function keysOf(identifier: Record<string, unknown>): [string, string][] {
  return Object.entries(identifier).flatMap(([tag, attribute]) => {
    const { vr, Value = [] } = attribute as Element;
    if (vr === "SQ") return Value.flatMap((item) => keysOf(item as Record<string, unknown>));
    const text = Value.map((each) => (typeof each === "object" && each !== null ? Object.values(each).join("=") : String(each ?? ""))).join("\\");
    return text === "" ? [] : [[NAMES[tag] ?? tag, text] as [string, string]];
  });
}

function Explanation({ query, day, onDay, onClose }: { query: QueryShown; day: string; onDay: (day: string) => void; onClose: () => void }) {
  const { t } = useTranslation();
  const found = useQuery({ queryKey: ["worklist-explain", query.id, day], queryFn: () => api.worklist.explain({ body: { query: query.id, day } }) });
  return (
    <Panel wide title={t("worklist.of", { title: query.calling_ae })} label={t("worklist.explanation")} sub={<When at={query.at} ago />} onClose={onClose}>
      <Section title={t("worklist.keys")}>
        {keysOf(query.identifier).length === 0 ? <Text size="sm" c="dimmed">{t("worklist.noKeys")}</Text> : <Facts of={keysOf(query.identifier)} />}
      </Section>
      <TextInput type="date" size="xs" w={180} label={t("worklist.day")} description={t("worklist.dayHelp")} value={showDate(day || found.data?.first_day)} onChange={(event) => onDay(event.currentTarget.value.replaceAll("-", ""))} />
      {found.isLoading && <Designed.Skeleton rows={6} />}
      {found.isError && <Designed.Failed error={found.error} retry={() => void found.refetch()} />}
      {found.data && <Found of={found.data} />}
    </Panel>
  );
}

function Found({ of }: { of: Explained }) {
  const { t } = useTranslation();
  const total = of.verdicts.length;
  const worst = Object.entries(of.alone).sort(([, one], [, other]) => other - one)[0];
  const kills = Object.entries(of.kills).sort(([, one], [, other]) => other - one);
  return (
    <>
      <Note tone={total === 0 || of.shown === 0 ? "warn" : "good"} title={total === 0 ? t("worklist.noneThatDay") : t("worklist.sum", { shown: of.shown, total })}>
        {of.shown < total && worst && t("worklist.culprit", { key: nameOf(worst[0], t), count: worst[1] })}
      </Note>
      {of.hints.map((hint) => <Note key={hint.code} tone="busy">{t(`worklist.hint.${hint.code}`, { defaultValue: hint.meaning })}</Note>)}
      {kills.length > 0 && (
        <Section title={t("worklist.kills")}>
          <table className={classes.plain}>
            <thead><tr><th>{t("worklist.key")}</th><th className={classes.num}>{t("worklist.removed")}</th><th className={classes.num}>{t("worklist.alone")}</th></tr></thead>
            <tbody>{kills.map(([key, count]) => <tr key={key}><td>{nameOf(key, t)}</td><td className={classes.num}>{count}</td><td className={classes.num}>{of.alone[key] ?? 0}</td></tr>)}</tbody>
          </table>
        </Section>
      )}
      {total > 0 && (
        <Section title={t("worklist.each")}>
          <table className={classes.plain}>
            <thead><tr><th>{t("worklist.step")}</th><th>{t("worklist.verdict")}</th></tr></thead>
            <tbody>{of.verdicts.slice(0, 200).map((each) => <Verdict key={each.step.id} of={each} />)}</tbody>
          </table>
          {total > 200 && <Text size="xs" c="dimmed">{t("worklist.first", { shown: 200, total })}</Text>}
        </Section>
      )}
    </>
  );
}

type Say = ReturnType<typeof useTranslation>["t"];
const nameOf = (key: string, t: Say) => t(`worklist.reason.${key}`, { defaultValue: key });

function Verdict({ of }: { of: VerdictShown }) {
  const { t } = useTranslation();
  const { step } = of;
  return (
    <tr>
      <td>
        <b>{step.patient_name.split("=").at(-1)?.replaceAll("^", " ") || step.patient_id}</b>
        <div className={classes.muted}>{[showDate(step.start_date), showTime(step.start_time), step.modality, step.stations.join(" "), step.accession].filter(Boolean).join(" · ")}</div>
      </td>
      <td>
        {of.shown ? <State tone="good">{t("worklist.shown")}</State> : of.reasons.map((reason) => (
          <div key={reason.code + reason.keyword}>
            <State tone="bad">{reason.keyword || nameOf(reason.code, t)}</State>
            <div>
              {reason.keyword && nameOf(reason.code, t)}
              {(reason.asked || reason.held) && <div className={classes.muted}>{t("worklist.askedHeld", { asked: reason.asked || "∅", held: reason.held || "∅" })}</div>}
              {reason.by_policy && <div className={classes.muted}>{t("worklist.byPolicy")}</div>}
            </div>
          </div>
        ))}
      </td>
    </tr>
  );
}

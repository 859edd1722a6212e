import { Button, Text } from "@mantine/core";
import { IconDownload } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api } from "../../api/v1";
import { showBytes, showMoment } from "../../kit/format";
import { Designed } from "../../kit/states";
import classes from "../admin.module.css";
import { Facts, Note, Panel, Section, State } from "../parts";
import { Outcome } from "./recorder";
import { className, syntaxName } from "./syntaxes";

interface Message {
  at_ms: number;
  direction: "in" | "out";
  command: string;
  id: number | null;
  sop_class?: string;
  sop_uid?: string;
  destination?: string;
  bytes?: number;
  status?: string;
  meaning?: string;
  comment?: string;
  ms?: number;
  remaining?: number;
  completed?: number;
  failed?: number;
  warning?: number;
  keys?: Key[] | string;
}

interface Key {
  tag: string;
  keyword: string;
  matching: string;
  values?: unknown[];
  secret_values?: unknown[];
  items?: Key[][];
}

interface User {
  max_pdu_bytes: number;
  implementation_class_uid: string;
  implementation_version: string;
}

interface Body {
  tls: { version: string; cipher: string; names: string[] } | null;
  negotiation: {
    contexts: { id: number; abstract_syntax: string; proposed: string[]; result: string | null; accepted: string | null }[];
    requestor: User;
    acceptor: User | null;
  } | null;
  answered_ms: number | null;
  messages: Message[];
  left_out: number;
  last_messages: Message[];
}

/** One recording as it went: who spoke, what was agreed, every message with its answer. */
export function Recording({ pk, onClose }: { pk: number; onClose: () => void }) {
  const { t } = useTranslation();
  const read = useQuery({ queryKey: ["recordings", "one", pk], queryFn: () => api.recordingsResource.get({ pk }) });
  const head = read.data?.head;
  const body = read.data?.body as unknown as Body | undefined;
  const title = head ? `${head.calling_ae || "?"} → ${head.called_ae || "?"}` : t("common.loading");
  return (
    <Panel wide title={title} label={t("recorder.one")} onClose={onClose} sub={head && `${showMoment(head.opened_at)} · ${head.peer}`}
      actions={head && <Button component="a" href={`/api/v1/recordings/${pk}/file`} download size="compact-sm" variant="default" leftSection={<IconDownload size={15} />}>{t("recorder.file")}</Button>}>
      {read.isLoading && <Designed.Skeleton rows={8} />}
      {read.isError && <Designed.Failed error={read.error} retry={() => void read.refetch()} />}
      {head && body && (
        <>
          {head.outcome !== "released" && head.outcome !== "standing" && (
            <Note tone="bad" title={t(`recorder.outcome.${head.outcome}`, { defaultValue: head.outcome })}>
              {t(`recorder.meaning.${head.outcome}`, { defaultValue: "" })} <span>{head.reason}</span>
            </Note>
          )}
          <Facts of={[
            [t("recorder.outcomeTitle"), <Outcome key="o" of={head} />],
            [t("recorder.took"), `${head.seconds.toFixed(2)} s`],
            [t("recorder.traffic"), t("recorder.inOut", { in: showBytes(head.bytes_in), out: showBytes(head.bytes_out) })],
            [t("recorder.tls"), body.tls ? `${body.tls.version} · ${body.tls.cipher} ${body.tls.names.join(", ")}` : t("admin.no")],
            [t("recorder.requestor"), body.negotiation && userOf(body.negotiation.requestor)],
            [t("recorder.acceptor"), body.negotiation?.acceptor && userOf(body.negotiation.acceptor)],
          ]} />
          {body.negotiation && <Contexts of={body.negotiation.contexts} />}
          <Section title={t("recorder.said", { count: head.messages })}>
            <Text size="xs" c="dimmed" mb={4}>{t(head.outgoing ? "recorder.legendOut" : "recorder.legendIn")}</Text>
            {body.messages.length === 0 && <Text size="sm" c="dimmed">{t("recorder.nothingSaid")}</Text>}
            {body.messages.map((each, index) => <Line key={index} of={each} />)}
            {body.left_out > 0 && <Text size="xs" c="dimmed" py={6}>{t("recorder.leftOut", { count: body.left_out })}</Text>}
            {body.last_messages.map((each, index) => <Line key={index} of={each} />)}
          </Section>
          <Text size="xs" c="dimmed">{t("recorder.masked")}</Text>
        </>
      )}
    </Panel>
  );
}

const userOf = (user: User) => `${user.implementation_version || user.implementation_class_uid} · PDU ${user.max_pdu_bytes ? showBytes(user.max_pdu_bytes) : "∞"}`;

function Contexts({ of }: { of: NonNullable<Body["negotiation"]>["contexts"] }) {
  const { t } = useTranslation();
  const refused = of.filter((each) => each.accepted === null).length;
  return (
    <details className={classes.group} open={refused > 0 && refused < 30 ? true : undefined}>
      <summary>{t("recorder.contexts")}<span>{t("recorder.contextsCount", { taken: of.length - refused, count: of.length })}</span></summary>
      <div className={classes.fields}>
        <table className={classes.plain}>
          <tbody>
            {of.map((each) => (
              <tr key={each.id}>
                <td className={classes.num}>{each.id}</td>
                <td>{className(each.abstract_syntax)}</td>
                <td>
                  {each.accepted !== null ? <State tone="good">{syntaxName(each.accepted)}</State> : (
                    <State tone="bad">{t(`recorder.context.${each.result ?? "not answered"}`, { defaultValue: each.result ?? "" })}</State>
                  )}
                  {each.accepted === null && <div className={classes.muted}>{each.proposed.map(syntaxName).join(", ")}</div>}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </details>
  );
}

function Line({ of }: { of: Message }) {
  const { t } = useTranslation();
  const [open, setOpen] = useState(false);
  const bad = of.status !== undefined && !/^(0000|0001|FF0[01]|B...|FE00)$/.test(of.status);
  const counts = [["remaining", of.remaining], ["completed", of.completed], ["failed", of.failed], ["warning", of.warning]].filter(([, count]) => count !== undefined);
  return (
    <div className={bad ? `${classes.line} ${classes.failed}` : classes.line}>
      <span className={classes.ms}>{of.at_ms.toFixed(1)} ms</span>
      <span aria-label={t(of.direction === "in" ? "recorder.in" : "recorder.out")} role="img">{of.direction === "in" ? "←" : "→"}</span>
      <div style={{ minWidth: 0 }}>
        <b>{of.command}</b> {of.id !== null && <span className={classes.muted}>#{of.id}</span>} {of.sop_class && className(of.sop_class)} {of.destination && `→ ${of.destination}`}
        {of.status !== undefined && <span className={bad ? classes.bad : undefined}> {of.status} {of.meaning}</span>}
        {of.comment && <div className={classes.bad}>{of.comment}</div>}
        {of.sop_uid && <div className={`${classes.muted} ${classes.code}`}>{of.sop_uid}</div>}
        {counts.length > 0 && <div className={classes.muted}>{counts.map(([name, count]) => `${t(`recorder.sub.${name}`)} ${count}`).join(" · ")}</div>}
        {of.keys && <button type="button" style={{ all: "unset", cursor: "pointer", color: "var(--accent)" }} tabIndex={0} aria-expanded={open} onClick={() => setOpen(!open)}
          onKeyDown={(event) => (event.key === "Enter" || event.key === " ") && setOpen(!open)}>{t("recorder.keys", { count: typeof of.keys === "string" ? 0 : of.keys.length })}</button>}
        {open && of.keys && (typeof of.keys === "string" ? <div>{of.keys}</div> : <Keys of={of.keys} />)}
      </div>
      <span className={classes.ms}>{of.ms !== undefined && t("recorder.after", { ms: of.ms })} {of.bytes ? showBytes(of.bytes) : ""}</span>
    </div>
  );
}

function Keys({ of }: { of: Key[] }) {
  const { t } = useTranslation();
  return (
    <div style={{ paddingInlineStart: 12 }}>
      {of.map((key) => (
        <div key={key.tag}>
          <span className={classes.code}>{key.tag}</span> {key.keyword} <span className={classes.muted}>{t(`recorder.matching.${key.matching}`, { defaultValue: key.matching })}</span> {[...(key.values ?? []), ...(key.secret_values ?? [])].join(" \\ ")}
          {key.items?.map((item, index) => <Keys key={index} of={item} />)}
        </div>
      ))}
    </div>
  );
}

import { ActionIcon, Alert, Button, CopyButton, Group, Modal, Stack, Text, Textarea, Title, VisuallyHidden } from "@mantine/core";
import { IconAlertTriangle, IconX } from "@tabler/icons-react";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Link, useNavigate, useRouterState } from "@tanstack/react-router";
import { Fragment, type ReactNode, useCallback, useEffect, useState, useSyncExternalStore } from "react";
import { useTranslation } from "react-i18next";
import { harmless, showMoment } from "../kit/format";
import { isWaiting, Problem } from "../kit/http";
import classes from "./admin.module.css";

export type Tone = "good" | "warn" | "bad" | "busy" | "muted";

/** What of a room stands in the address, and how to change part of it. */
export function useAddress() {
  const search = useRouterState({ select: (state) => state.location.search as Record<string, string | undefined> });
  const navigate = useNavigate();
  const change = useCallback(
    (part: Record<string, string | undefined>) => {
      const next = (old: Record<string, string | undefined>) => ({ ...old, ...part });
      void navigate({ to: ".", search: next as never, replace: true });
    },
    [navigate],
  );
  return [search, change] as const;
}

export interface TabOf {
  to: string;
  label: string;
  count?: number;
}

/** A room: its tabs, its tools, the list, and beside it what is open. */
export function Room({ tabs, tools, panel, children }: { tabs?: TabOf[]; tools?: ReactNode; panel?: ReactNode; children: ReactNode }) {
  const path = useRouterState({ select: (state) => state.location.pathname });
  const here = path.replace(/\/$/, "");
  const { t } = useTranslation();
  const name = here.replace(/^\/console/, "").split("/")[1] ?? "";
  return (
    <div className={classes.room}>
      <VisuallyHidden component="h1">{t(`room.${name}`)}</VisuallyHidden>
      {tabs && (
        <nav className={classes.tabs}>
          {tabs.map((tab) => (
            <Link key={tab.to} to={tab.to} className={classes.tab} aria-current={here.endsWith(tab.to) ? "page" : undefined} activeOptions={{ exact: true }}>
              {tab.label}
              {tab.count ? <span className={classes.count}>{tab.count}</span> : null}
            </Link>
          ))}
        </nav>
      )}
      {tools && <div className={classes.tools}>{tools}</div>}
      <div className={classes.split}>
        <div className={classes.list}>{children}</div>
        {panel}
      </div>
      <Said />
    </div>
  );
}

interface PanelProps {
  title: ReactNode;
  label: string;
  sub?: ReactNode;
  actions?: ReactNode;
  foot?: ReactNode;
  wide?: boolean;
  onClose: () => void;
  children: ReactNode;
}

/** What is open beside the list; Escape closes it. */
export function Panel({ title, label, sub, actions, foot, wide, onClose, children }: PanelProps) {
  const { t } = useTranslation();
  return (
    <aside
      className={wide ? `${classes.panel} ${classes.wide}` : classes.panel}
      aria-label={label}
      onKeyDown={(event) => event.key === "Escape" && !event.defaultPrevented && onClose()}
    >
      <div className={classes.head}>
        <Group justify="space-between" wrap="nowrap" align="start">
          <div style={{ minWidth: 0 }}>
            <Title order={2} fz={16} fw={650} lh={1.3} style={{ overflowWrap: "anywhere" }}>{title}</Title>
            {sub && <Text size="sm" c="dimmed" component="div">{sub}</Text>}
          </div>
          <ActionIcon variant="subtle" color="gray" onClick={onClose} aria-label={t("common.close")}><IconX size={16} /></ActionIcon>
        </Group>
        {actions && <Group gap={6} mt={10}>{actions}</Group>}
      </div>
      <div className={classes.body} tabIndex={0} role="region" aria-label={label}>{children}</div>
      {foot && <div className={classes.foot}>{foot}</div>}
    </aside>
  );
}

export function Section({ title, children }: { title: ReactNode; children: ReactNode }) {
  return (
    <section className={classes.section}>
      <h3>{title}</h3>
      {children}
    </section>
  );
}

/** Label and value in two columns; what has no value is left out. */
export function Facts({ of }: { of: readonly (readonly [string, ReactNode])[] }) {
  return (
    <dl className={classes.facts}>
      {of.filter(([, value]) => value !== "" && value !== undefined && value !== null && value !== false).map(([label, value]) => (
        <Fragment key={label}>
          <dt>{label}</dt>
          <dd>{typeof value === "string" ? harmless(value) : value}</dd>
        </Fragment>
      ))}
    </dl>
  );
}

/** A state: a shape and a word, never colour alone. */
export function State({ tone, children }: { tone: Tone; children: ReactNode }) {
  return (
    <span className={`${classes.state} ${classes[tone]}`}>
      <span className={classes.dot} aria-hidden />
      {children}
    </span>
  );
}

export function Note({ tone, title, children }: { tone: Tone; title?: ReactNode; children?: ReactNode }) {
  return (
    <div className={`${classes.note} ${classes[tone]}`} role={tone === "bad" ? "alert" : undefined}>
      {title && <div className={classes.noteTitle}>{title}</div>}
      {children && <div>{children}</div>}
    </div>
  );
}

/** An exact moment, with how long ago beside it when asked. */
export function When({ at, ago }: { at: string | null | undefined; ago?: boolean }) {
  const long = useAgo(at ?? undefined);
  if (!at) return null;
  return (
    <time dateTime={at} title={long}>
      {showMoment(at)}
      {ago && <Text span c="dimmed" inherit> · {long}</Text>}
    </time>
  );
}

/** How long ago in words of the chosen language. */
export function useAgo(at: string | undefined): string {
  const { i18n } = useTranslation();
  if (!at) return "";
  const seconds = (new Date(at).getTime() - Date.now()) / 1000;
  const format = new Intl.RelativeTimeFormat(i18n.language === "zh" ? "zh-CN" : "en", { numeric: "auto" });
  const steps: [Intl.RelativeTimeFormatUnit, number][] = [["day", 86_400], ["hour", 3600], ["minute", 60]];
  for (const [unit, length] of steps) if (Math.abs(seconds) >= length) return format.format(Math.trunc(seconds / length), unit);
  return format.format(Math.trunc(seconds), "second");
}

/** What went wrong, with the values at fault. */
export function Wrong({ error }: { error: Error | null | undefined }) {
  const { t } = useTranslation();
  if (!error) return null;
  if (isWaiting(error)) return <Alert color="yellow" variant="outline" icon={<IconAlertTriangle size={16} />} role="status" p="xs"><Text size="sm">{t("common.waitsForAnother")}</Text></Alert>;
  const errors = error instanceof Problem ? error.errors : [];
  return (
    <Alert color="red" variant="outline" icon={<IconAlertTriangle size={16} />} role="alert" p="xs">
      <Text size="sm">{error.message}</Text>
      {errors.map((each) => <Text size="sm" key={each.pointer + each.detail}><b>{each.pointer.replace(/^\//, "")}</b> {each.detail}</Text>)}
    </Alert>
  );
}

interface AskProps {
  title: string;
  /** What will happen, in full sentences. */
  text: ReactNode;
  verb: string;
  danger?: boolean;
  /** Whether a reason must be given, which is kept. */
  reason?: boolean;
  act: (why: string) => Promise<unknown>;
  done?: string;
  refresh?: readonly (readonly string[])[];
  onDone?: () => void;
  onClose: () => void;
}

/** A question before something is done that cannot simply be taken back. */
export function Ask({ title, text, verb, danger, reason, act, done, refresh, onDone, onClose }: AskProps) {
  const { t } = useTranslation();
  const [why, setWhy] = useState("");
  const doing = useAct(act, { done, refresh, onDone: () => { onDone?.(); onClose(); } });
  const ready = !reason || why.trim() !== "";
  return (
    <Modal opened closeButtonProps={{ "aria-label": t("common.close") }} onClose={onClose} title={title} size="md">
      <form onSubmit={(event) => { event.preventDefault(); event.stopPropagation(); if (ready) doing.mutate(why.trim()); }}>
        <Stack gap="md">
          <Text size="sm" component="div">{text}</Text>
          {reason && <Textarea label={t("admin.why")} description={t("admin.whyHint")} value={why} onChange={(event) => setWhy(event.currentTarget.value)} maxLength={500} autosize minRows={2} data-autofocus required />}
          <Wrong error={doing.error} />
          <Group justify="end">
            <Button variant="default" onClick={onClose}>{t("common.cancel")}</Button>
            <Button type="submit" color={danger ? "red.8" : undefined} disabled={!ready} loading={doing.isPending} data-autofocus={reason ? undefined : true}>{verb}</Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}

interface ActOptions<Result> {
  /** Said when it is done. */
  done?: string;
  /** Queries that are asked again. */
  refresh?: readonly (readonly string[])[];
  /** Say a failure in the corner; without it, the caller shows `error`. */
  loud?: boolean;
  onDone?: (result: Result) => void;
}

/** Something that is done on the server. */
export function useAct<Given, Result>(act: (given: Given) => Promise<Result>, { done, refresh, loud, onDone }: ActOptions<Result> = {}) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: act,
    onSuccess: (result) => {
      if (done) say(done);
      onDone?.(result);
    },
    onError: (error) => { if (loud) say(error.message, true); },
    onSettled: () => { for (const key of refresh ?? []) void queries.invalidateQueries({ queryKey: key }); },
  });
}

/** A secret that is shown once. */
export function Secret({ text, value }: { text: string; value: string }) {
  const { t } = useTranslation();
  return (
    <Stack gap="xs">
      <Text size="sm">{text}</Text>
      <div className={classes.secret}>{value}</div>
      <CopyButton value={value}>
        {({ copied, copy }) => <Button size="compact-sm" variant="default" onClick={copy} w="fit-content">{copied ? t("admin.copied") : t("common.copy")}</Button>}
      </CopyButton>
    </Stack>
  );
}

// What is said in the corner of the room, for a few seconds.

const SAID_MS = 6000;
let said: { text: string; wrong: boolean } | undefined;
const hearers = new Set<() => void>();

export function say(text: string, wrong = false): void {
  said = { text, wrong };
  for (const hear of hearers) hear();
}

function Said() {
  const now = useSyncExternalStore(
    (hear) => {
      hearers.add(hear);
      return () => hearers.delete(hear);
    },
    () => said,
  );
  useEffect(() => {
    if (!now) return;
    const soon = setTimeout(() => {
      said = undefined;
      for (const hear of hearers) hear();
    }, SAID_MS);
    return () => clearTimeout(soon);
  }, [now]);
  return (
    <div role="status" aria-live="polite">
      {now && <div className={now.wrong ? `${classes.said} ${classes.wrong}` : classes.said}>{now.text}</div>}
    </div>
  );
}

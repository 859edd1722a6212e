import "../words";
import { Button, Group, NumberInput, PasswordInput, Stack, Text, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api } from "../../api/v1";
import { Designed } from "../../kit/states";
import classes from "../admin.module.css";
import { Ask, Facts, Note, Room, Secret, State, useAct, When, Wrong } from "../parts";
import { people } from "./api";

/** What somebody decides about their own account: password, sessions, tokens for programs. */
export function Account() {
  const { t } = useTranslation();
  const me = useQuery({ queryKey: ["me"], queryFn: () => api.me.show() });
  return (
    <Room>
      <div className={classes.page}>
        <div className={classes.column}>
          <section>
            <h2>{t("account.title")}</h2>
            {me.data && <Facts of={[
              [t("users.name"), me.data.name],
              [t("users.display"), me.data.display_name],
              [t("users.roles"), me.data.roles.map((each) => t(`users.role.${each}`, { defaultValue: each })).join(", ")],
              [t("users.factors"), <a key="f" href="/login/factors" style={{ color: "var(--accent)" }}>{t("account.factors")}</a>],
            ]} />}
          </section>
          <section><h2>{t("account.password")}</h2><Password /></section>
          <section><h2>{t("account.sessions")}</h2><Sessions /></section>
          <section><h2>{t("account.tokens")}</h2><Tokens /></section>
        </div>
      </div>
    </Room>
  );
}

function Password() {
  const { t } = useTranslation();
  const [old, setOld] = useState("");
  const [fresh, setFresh] = useState("");
  const [again, setAgain] = useState("");
  const differs = again !== "" && fresh !== again;
  const change = useAct(() => people.changePassword(old, fresh), { done: t("account.passwordChanged"), refresh: [["sessions"]], onDone: () => { setOld(""); setFresh(""); setAgain(""); } });
  return (
    <form onSubmit={(event) => { event.preventDefault(); if (old && fresh && fresh === again) change.mutate(undefined); }}>
      <Stack gap="sm" maw={380}>
        <PasswordInput label={t("account.old")} autoComplete="current-password" value={old} onChange={(event) => setOld(event.currentTarget.value)} />
        <PasswordInput label={t("account.new")} description={t("account.newHelp")} autoComplete="new-password" value={fresh} onChange={(event) => setFresh(event.currentTarget.value)} />
        <PasswordInput label={t("account.again")} autoComplete="new-password" value={again} onChange={(event) => setAgain(event.currentTarget.value)} error={differs ? t("account.differs") : undefined} />
        <Wrong error={change.error} />
        <Button type="submit" w="fit-content" disabled={!old || !fresh || fresh !== again} loading={change.isPending}>{t("account.change")}</Button>
      </Stack>
    </form>
  );
}

function Sessions() {
  const { t } = useTranslation();
  const sessions = useQuery({ queryKey: ["sessions"], queryFn: () => people.sessions() });
  const [ending, setEnding] = useState(false);
  const end = useAct((id: number) => people.endSession(id), { refresh: [["sessions"]], done: t("account.sessionEnded"), loud: true });
  if (sessions.isLoading) return <Designed.Skeleton rows={2} />;
  if (sessions.isError) return <Note tone="muted">{sessions.error.message}</Note>;
  const rows = sessions.data?.sessions ?? [];
  return (
    <Stack gap="sm">
      <table className={classes.plain}>
        <thead><tr><th>{t("account.from")}</th><th>{t("account.browser")}</th><th>{t("account.signedIn")}</th><th>{t("account.lastSeen")}</th><th>{t("common.actions")}</th></tr></thead>
        <tbody>
          {rows.map((row) => (
            <tr key={row.id}>
              <td>{row.peer}{row.present && <div><State tone="good">{t("account.this")}</State></div>}</td>
              <td>{browserOf(row.agent)}</td>
              <td><When at={row.created_at} /></td>
              <td><When at={row.last_seen} ago /></td>
              <td>{!row.present && <Button size="compact-xs" variant="default" onClick={() => end.mutate(row.id)}>{t("account.end")}</Button>}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {rows.length > 1 && <Button size="compact-sm" variant="default" w="fit-content" onClick={() => setEnding(true)}>{t("account.endOthers")}</Button>}
      {ending && <Ask title={t("account.endOthers")} text={t("account.endOthersText", { count: rows.length - 1 })} verb={t("account.endOthers")} refresh={[["sessions"]]} done={t("account.sessionEnded")} onClose={() => setEnding(false)} act={() => people.endOthers()} />}
    </Stack>
  );
}

/** The browser and the system of a User-Agent header, for people. */
export function browserOf(agent: string): string {
  const browser = /(Edg|OPR|Firefox|Chrome|Safari|curl|python[\w-]*)\/([\d]+)/i.exec(agent);
  const system = /Windows|Mac OS X|Android|iPhone|iPad|Linux/.exec(agent)?.[0] ?? "";
  return browser ? `${browser[1] === "Edg" ? "Edge" : browser[1]} ${browser[2]}${system && ` · ${system}`}` : agent.slice(0, 60);
}

function Tokens() {
  const { t } = useTranslation();
  const tokens = useQuery({ queryKey: ["tokens"], queryFn: () => api.tokens.show() });
  const me = useQuery({ queryKey: ["me"], queryFn: () => api.me.show() });
  const [label, setLabel] = useState("");
  const [days, setDays] = useState<number | string>(365);
  const [revoking, setRevoking] = useState<{ id: number; label: string }>();
  const issue = useAct(() => api.tokens.issue({ body: { label: label.trim(), days: Number(days) || 365 } }), { refresh: [["tokens"]], onDone: () => setLabel("") });
  const rows = (tokens.data?.tokens ?? []).filter((row) => row.revoked_at === null && (me.data?.may.includes("administer") || row.account === me.data?.name));
  return (
    <Stack gap="md">
      <Text size="sm" c="dimmed">{t("account.tokensText")}</Text>
      <form onSubmit={(event) => { event.preventDefault(); if (label.trim()) issue.mutate(undefined); }}>
        <Group align="end" gap="sm">
          <TextInput label={t("account.label")} value={label} onChange={(event) => setLabel(event.currentTarget.value)} maxLength={200} w={280} />
          <NumberInput label={t("account.days")} value={days} onChange={setDays} min={1} max={3650} allowDecimal={false} w={110} />
          <Button type="submit" disabled={!label.trim()} loading={issue.isPending}>{t("account.issue")}</Button>
        </Group>
      </form>
      <Wrong error={issue.error ?? tokens.error} />
      {issue.data && <Note tone="good"><Secret text={t("account.issued")} value={issue.data.token} /></Note>}
      {rows.length > 0 && (
        <table className={classes.plain}>
          <thead><tr><th>{t("account.label")}</th><th>{t("account.of")}</th><th>{t("account.made")}</th><th>{t("account.expires")}</th><th>{t("common.actions")}</th></tr></thead>
          <tbody>
            {rows.map((row) => (
              <tr key={row.id}>
                <td>{row.label}</td><td>{row.account}</td><td><When at={row.created_at} /></td><td>{row.expires_at ? <When at={row.expires_at} ago /> : t("account.neverEnds")}</td>
                <td><Button size="compact-xs" variant="default" onClick={() => setRevoking(row)} aria-label={`${t("account.revoke")} ${row.label}`}>{t("account.revoke")}</Button></td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {revoking && <Ask danger title={t("account.revokeTitle", { label: revoking.label })} text={t("account.revokeText")} verb={t("account.revoke")} refresh={[["tokens"]]} done={t("account.revoked")} onClose={() => setRevoking(undefined)} act={() => api.tokens.revoke({ pk: revoking.id })} />}
    </Stack>
  );
}

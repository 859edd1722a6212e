import { ActionIcon, Button, Kbd, Menu, TextInput, Tooltip, useMantineColorScheme } from "@mantine/core";
import { useHotkeys, useLocalStorage } from "@mantine/hooks";
import {
  IconArrowsTransferUp, IconCalendarEvent, IconChevronsLeft, IconChevronsRight, IconFilterCog, IconHistory, IconKeyboard, IconLanguage, IconLink, IconMoon, IconPackageExport, IconSearch,
  IconServer2, IconShieldExclamation, IconStack2, IconSun, IconUser, IconUserCog, IconUsers, IconWebhook,
} from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { Link, Navigate, Outlet, useNavigate, useRouterState } from "@tanstack/react-router";
import { useEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { api } from "../api/v1";
import { getJson } from "./http";
import { Keys, useChords } from "./keys";
import { Palette } from "./palette";
import classes from "./shell.module.css";
import { Designed } from "./states";
import { switchLanguage } from "./words";

/** The rooms in the order of the work; `needs`: any of these permissions; `go`: the letter after g. */
export const ROOMS = [
  { path: "/studies", word: "room.studies", icon: IconStack2, go: "s", needs: ["view"] },
  { path: "/schedule", word: "room.schedule", icon: IconCalendarEvent, go: "c", needs: ["view"] },
  { path: "/patients", word: "room.patients", icon: IconUsers, go: "p", needs: ["view"] },
  { path: "/shares", word: "room.shares", icon: IconLink, go: "l", needs: ["share", "security"] },
  { path: "/exports", word: "room.exports", icon: IconPackageExport, go: "e", needs: ["export"] },
  { path: "/queues", word: "room.queues", icon: IconArrowsTransferUp, go: "q", needs: ["administer"] },
  { path: "/quarantine", word: "room.quarantine", icon: IconShieldExclamation, go: "x", needs: ["administer"] },
  { path: "/devices", word: "room.devices", icon: IconServer2, go: "d", needs: ["administer"] },
  { path: "/rules", word: "room.rules", icon: IconFilterCog, go: "r", needs: ["administer"] },
  { path: "/webhooks", word: "room.webhooks", icon: IconWebhook, go: "w", needs: ["administer"] },
  { path: "/users", word: "room.users", icon: IconUserCog, go: "u", needs: ["security"] },
  { path: "/audit", word: "room.audit", icon: IconHistory, go: "a", needs: ["audit"] },
] as const;

/** The rail of rooms, the bar with search and who I am, and the room itself. */
export function Shell() {
  const { t, i18n } = useTranslation();
  const navigate = useNavigate();
  const path = useRouterState({ select: (state) => state.location.pathname });
  const [narrow, setNarrow] = useLocalStorage({ key: "filmroom.rail", defaultValue: false });
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  const [palette, setPalette] = useState(false);
  const search = useRef<HTMLInputElement>(null);
  const me = useQuery({ queryKey: ["me"], queryFn: () => api.me.show() });
  const online = useQuery({ queryKey: ["alive"], queryFn: () => getJson("/healthz"), refetchInterval: 15_000, retry: 1 });
  // A role sees only its own rooms.
  const rights = me.data?.may;
  const rooms = ROOMS.filter((each) => rights !== undefined && each.needs.some((right) => rights.includes(right)));
  const room = ROOMS.find((each) => path.startsWith(each.path));
  const toggleTheme = () => setColorScheme(colorScheme === "dark" ? "light" : "dark");
  const toggleLanguage = () => switchLanguage(i18n.language === "zh" ? "en" : "zh");

  const [keys, setKeys] = useState(false);
  useHotkeys([
    ["/", () => search.current?.focus()],
    ["mod+K", () => setPalette(true)],
  ]);
  useChords(rooms, (to) => void navigate({ to }), () => setKeys(true));
  useEffect(() => {
    document.title = room ? `${t(room.word)} · Filmroom` : "Filmroom";
  }, [room, t]);

  const commands = [
    ...rooms.map((room) => ({ label: t(room.word), key: `g ${room.go}`, run: () => void navigate({ to: room.path }) })),
    { label: t("shell.search"), key: "/", run: () => search.current?.focus() },
    { label: t("shell.theme"), key: "", run: toggleTheme },
    { label: t("shell.language"), key: "", run: toggleLanguage },
    { label: t("keys.title"), key: "?", run: () => setKeys(true) },
    { label: t("room.account"), key: "g m", run: () => void navigate({ to: "/account" }) },
    { label: t("shell.signOut"), key: "", run: signOut },
  ];
  return (
    <div className={classes.shell}>
      <nav className={narrow ? `${classes.rail} ${classes.narrow}` : classes.rail} aria-label="Filmroom">
        <div className={classes.brand}>
          <img src="/console/icon.svg" width={20} height={20} alt="" />
          {!narrow && "Filmroom"}
        </div>
        {rooms.map(({ path: to, word, icon: Icon }) => (
          <Tooltip key={to} label={t(word)} position="right" disabled={!narrow}>
            <Link to={to} className={classes.room} aria-current={path.startsWith(to) ? "page" : undefined} aria-label={t(word)}>
              <Icon size={18} stroke={1.6} aria-hidden />
              {!narrow && t(word)}
            </Link>
          </Tooltip>
        ))}
        <div className={classes.spacer} />
        <ActionIcon variant="subtle" color="gray" onClick={() => setNarrow(!narrow)} aria-label={t("shell.collapse")}>
          {narrow ? <IconChevronsRight size={18} /> : <IconChevronsLeft size={18} />}
        </ActionIcon>
      </nav>
      <header className={classes.bar}>
        <SearchBox inputRef={search} />
        <div className={classes.spacer} />
        <Button variant="subtle" color="gray" size="compact-sm" onClick={() => setPalette(true)} rightSection={<Kbd size="xs">Ctrl K</Kbd>}>
          {t("shell.palette")}
        </Button>
        <Button variant="subtle" color="gray" size="compact-sm" leftSection={<IconLanguage size={16} />} onClick={toggleLanguage}>
          {t("shell.language")}
        </Button>
        <ActionIcon variant="subtle" color="gray" onClick={() => setKeys(true)} aria-label={t("keys.title")} title={`${t("keys.title")} (?)`}>
          <IconKeyboard size={18} />
        </ActionIcon>
        <ActionIcon variant="subtle" color="gray" onClick={toggleTheme} aria-label={t("shell.theme")}>
          {colorScheme === "dark" ? <IconSun size={18} /> : <IconMoon size={18} />}
        </ActionIcon>
        <Menu position="bottom-end">
          <Menu.Target>
            <Button variant="subtle" color="gray" size="compact-sm" leftSection={<IconUser size={16} />}>
              {me.data?.display_name || me.data?.name || "…"}
            </Button>
          </Menu.Target>
          <Menu.Dropdown>
            <Menu.Item onClick={() => void navigate({ to: "/account" })}>{t("room.account")}</Menu.Item>
            <Menu.Item onClick={signOut}>{t("shell.signOut")}</Menu.Item>
          </Menu.Dropdown>
        </Menu>
      </header>
      <main className={classes.main}>
        {online.isError && <div className={classes.banner} role="status">{t("shell.offline")}</div>}
        <Inside room={room} rights={rights} path={path} first={rooms[0]?.path} />
      </main>
      <Palette opened={palette} onClose={() => setPalette(false)} commands={commands} />
      {keys && <Keys rooms={rooms} onClose={() => setKeys(false)} />}
    </div>
  );
}

type Room = (typeof ROOMS)[number];

/** The room, or plainly why it is not open; at the root, the first room that is. */
function Inside({ room, rights, path, first }: { room?: Room; rights?: readonly string[]; path: string; first?: string }) {
  const { t } = useTranslation();
  if (rights === undefined) return null;
  if (path.replace(/\/$/, "") === "") return first ? <Navigate to={first} replace /> : <Designed.Empty title={t("denied.nothing")} hint={t("denied.nothingText")} />;
  if (room && !room.needs.some((right) => rights.includes(right)))
    return <Designed.Empty title={t("denied.title")} hint={t("denied.text", { room: t(room.word), right: t(`denied.rights.${room.needs[0]}`) })} action={first && <Button size="compact-sm" variant="default" component={Link} to={first}>{t("denied.back")}</Button>} />;
  return <Outlet />;
}

const here = (room: string) => location.pathname.startsWith(`/console${room}`);

function SearchBox({ inputRef }: { inputRef: React.RefObject<HTMLInputElement | null> }) {
  const { t } = useTranslation();
  const navigate = useNavigate();
  const q = useRouterState({ select: (state) => (state.location.search as { q?: string }).q ?? "" });
  // In the patients room it finds patients, everywhere else studies.
  const to = useRouterState({ select: (state) => (state.location.pathname.startsWith("/patients") ? "/patients" : "/studies") });
  const [value, setValue] = useState(q);
  useEffect(() => setValue(q), [q]);
  useEffect(() => {
    if (value === q) return;
    const soon = setTimeout(() => void navigate({ to, search: ((old: object) => ({ ...(here(to) ? old : {}), q: value || undefined })) as never, replace: here(to) }), 200);
    return () => clearTimeout(soon);
  }, [value, q, to, navigate]);
  return (
    <TextInput
      ref={inputRef}
      w={360}
      size="xs"
      value={value}
      onChange={(event) => setValue(event.currentTarget.value)}
      onKeyDown={(event) => event.key === "Escape" && setValue("")}
      placeholder={t("shell.search")}
      aria-label={t("shell.search")}
      leftSection={<IconSearch size={14} />}
      rightSection={<Kbd size="xs">/</Kbd>}
    />
  );
}

function signOut(): void {
  void fetch("/logout", { method: "POST", credentials: "same-origin" }).then(() => location.assign("/login"));
}

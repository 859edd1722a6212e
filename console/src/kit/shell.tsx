import { ActionIcon, Button, Kbd, Menu, TextInput, Tooltip, useMantineColorScheme } from "@mantine/core";
import { useHotkeys, useLocalStorage } from "@mantine/hooks";
import {
  IconArrowsTransferUp, IconCalendarEvent, IconChevronsLeft, IconChevronsRight, IconFilterCog, IconLanguage, IconMoon, IconSearch,
  IconServer2, IconShieldExclamation, IconStack2, IconSun, IconUser, IconUserCog, IconUsers, IconWebhook,
} from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { Link, Outlet, useNavigate, useRouterState } from "@tanstack/react-router";
import { useEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { api } from "../api/v1";
import { getJson } from "./http";
import { Palette } from "./palette";
import classes from "./shell.module.css";
import { switchLanguage } from "./words";

export const ROOMS = [
  { path: "/studies", word: "room.studies", icon: IconStack2, key: "1" },
  { path: "/schedule", word: "room.schedule", icon: IconCalendarEvent, key: "4" },
  { path: "/patients", word: "room.patients", icon: IconUsers, key: "5" },
  { path: "/queues", word: "room.queues", icon: IconArrowsTransferUp, key: "6", needs: "administer" },
  { path: "/quarantine", word: "room.quarantine", icon: IconShieldExclamation, key: "3", needs: "administer" },
  { path: "/devices", word: "room.devices", icon: IconServer2, key: "2", needs: "administer" },
  { path: "/rules", word: "room.rules", icon: IconFilterCog, key: "7", needs: "administer" },
  { path: "/webhooks", word: "room.webhooks", icon: IconWebhook, key: "8", needs: "administer" },
  { path: "/users", word: "room.users", icon: IconUserCog, key: "9", needs: "administer" },
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
  const rooms = ROOMS.filter((each) => !("needs" in each) || me.data?.may.includes(each.needs));
  const toggleTheme = () => setColorScheme(colorScheme === "dark" ? "light" : "dark");
  const toggleLanguage = () => switchLanguage(i18n.language === "zh" ? "en" : "zh");

  useHotkeys([
    ["/", () => search.current?.focus()],
    ["mod+K", () => setPalette(true)],
  ]);
  useEffect(() => {
    const room = ROOMS.find((each) => path.startsWith(each.path));
    document.title = room ? `${t(room.word)} · Filmroom` : "Filmroom";
  }, [path, t]);

  const commands = [
    ...rooms.map((room) => ({ label: t(room.word), key: "", run: () => void navigate({ to: room.path }) })),
    { label: t("shell.search"), key: "/", run: () => search.current?.focus() },
    { label: t("shell.theme"), key: "", run: toggleTheme },
    { label: t("shell.language"), key: "", run: toggleLanguage },
    { label: t("room.account"), key: "", run: () => void navigate({ to: "/account" }) },
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
        <Outlet />
      </main>
      <Palette opened={palette} onClose={() => setPalette(false)} commands={commands} />
    </div>
  );
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

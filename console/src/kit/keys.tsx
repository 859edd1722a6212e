import { Kbd, Modal } from "@mantine/core";
import { useEffect, useRef } from "react";
import { useTranslation } from "react-i18next";
import classes from "./palette.module.css";

interface Goal {
  path: string;
  word: string;
  go: string;
}

const CHORD_MS = 1500;

/** `g` and a letter go to a room, `?` shows every key; not while somebody types. */
export function useChords(rooms: readonly Goal[], go: (to: string) => void, help: () => void): void {
  const now = useRef({ rooms, go, help });
  now.current = { rooms, go, help };
  useEffect(() => {
    let begun = 0;
    const press = (event: KeyboardEvent) => {
      const target = event.target as HTMLElement;
      if (event.ctrlKey || event.metaKey || event.altKey || target.closest("input:not([type=checkbox]), textarea, select, [contenteditable], [role=dialog]")) return;
      if (event.key === "?") {
        now.current.help();
        event.preventDefault();
      } else if (event.key === "g" && Date.now() - begun > CHORD_MS) {
        begun = Date.now();
        event.stopPropagation();
      } else if (Date.now() - begun <= CHORD_MS) {
        begun = 0;
        const to = event.key === "m" ? "/account" : now.current.rooms.find((each) => each.go === event.key)?.path;
        if (!to) return;
        now.current.go(to);
        event.preventDefault();
        event.stopPropagation();
      }
    };
    // Before the list that has the focus: its own letters are actions on a row.
    window.addEventListener("keydown", press, true);
    return () => window.removeEventListener("keydown", press, true);
  }, []);
}

/** Every key there is. */
export function Keys({ rooms, onClose }: { rooms: readonly Goal[]; onClose: () => void }) {
  const { t } = useTranslation();
  const groups: [string, [string, string][]][] = [
    [t("keys.everywhere"), [["/", t("shell.search")], ["Ctrl K", t("shell.palette")], ["?", t("keys.title")], ["Esc", t("keys.close")]]],
    [t("keys.lists"), [["j k ↓ ↑", t("keys.move")], ["Enter", t("keys.open")], ["Space", t("common.tick")], ["Ctrl A", t("common.tickAll")], ["Home End", t("keys.ends")], [".", t("common.actions")]]],
    [t("keys.studies"), [["o", t("keys.viewer")], ["d", t("keys.download")], ["s", t("keys.send")], ["e", t("keys.export")], ["l", t("keys.share")], ["c", t("keys.correct")], ["h", t("keys.history")], ["Del", t("keys.delete")]]],
    [t("keys.rooms"), [...rooms.map((each): [string, string] => [`g ${each.go}`, t(each.word)]), ["g m", t("room.account")]]],
  ];
  return (
    <Modal opened onClose={onClose} title={t("keys.title")} size="lg" closeButtonProps={{ "aria-label": t("common.close") }}>
      <div className={classes.keys}>
        {groups.map(([title, keys]) => (
          <section key={title}>
            <h3>{title}</h3>
            <dl>{keys.map(([key, word]) => <div key={key}><dt>{key.split(" ").map((each) => <Kbd key={each} size="xs">{each}</Kbd>)}</dt><dd>{word}</dd></div>)}</dl>
          </section>
        ))}
      </div>
    </Modal>
  );
}

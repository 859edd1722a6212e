import { useNavigate, useParams, useRouter } from "@tanstack/react-router";
import { useHotkeys } from "@mantine/hooks";
import "./words";
import { openViewer } from "./data";
import { StudyPanel } from "./panel";
import { Says } from "../kit/says";

/** One study, filling the room. */
export function StudyPage() {
  const { uid } = useParams({ strict: false }) as { uid: string };
  const navigate = useNavigate();
  const router = useRouter();
  const back = () => (router.history.canGoBack() ? router.history.back() : void navigate({ to: "/studies" }));
  useHotkeys([
    ["Escape", back],
    ["o", () => openViewer(uid)],
  ]);
  return (
    <>
      <StudyPanel uid={uid} whole onClose={back} />
      <Says />
    </>
  );
}

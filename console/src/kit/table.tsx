import { useVirtualizer } from "@tanstack/react-virtual";
import { type KeyboardEvent, type ReactNode, useCallback, useEffect, useId, useLayoutEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { harmless } from "./format";
import { Designed } from "./states";
import classes from "./table.module.css";

export interface Column<Row> {
  key: string;
  title: string;
  /** A grid track, such as "minmax(160px, 2fr)". */
  width: string;
  cell: (row: Row) => ReactNode;
  /** Shown under the title, where the column is filtered. */
  filter?: ReactNode;
  /** The value of the sort this column asks for; without it the column does not sort. */
  sort?: string;
  numeric?: boolean;
}

interface Props<Row> {
  label: string;
  columns: Column<Row>[];
  rows: Row[];
  rowKey: (row: Row) => string;
  selected?: string;
  onSelect?: (row: Row) => void;
  /** Enter, and a double click where `onDouble` is not given. */
  onOpen?: (row: Row) => void;
  onDouble?: (row: Row) => void;
  onKey?: (key: string, row: Row) => void;
  /** Rows that are ticked; with `onTick` every row has a box (Space, Shift and arrows, Ctrl-A). */
  ticked?: ReadonlySet<string>;
  onTick?: (keys: ReadonlySet<string>) => void;
  /** What changes when the row does: such a row is tinted for a moment. */
  stamp?: (row: Row) => string;
  /** Names the list that is shown: another one starts at its top, without tints. */
  of?: string;
  sort?: string;
  onSort?: (sort: string | undefined) => void;
  /** Called when the end comes near. */
  onMore?: () => void;
  loading?: boolean;
  empty: ReactNode;
}

const ROW = 32;
const TINT_MS = 2500;

/** The table of the whole product: virtual rows, sticky header with filters, walked by keyboard. */
export function Table<Row>(props: Props<Row>) {
  const { t } = useTranslation();
  const { columns, rows, rowKey, selected, onSelect, onOpen, onKey, onMore, ticked, onTick } = props;
  const id = useId();
  const scroller = useRef<HTMLDivElement>(null);
  const virtual = useVirtualizer({ count: rows.length, getScrollElement: () => scroller.current, estimateSize: () => ROW, overscan: 12 });
  const items = virtual.getVirtualItems();
  const last = items.at(-1)?.index ?? 0;
  const current = rows.findIndex((row) => rowKey(row) === selected);
  const fresh = useFresh(rows, rowKey, props.stamp, props.of ?? "");
  const above = useAnchor(rows, rowKey, scroller, props.of ?? "");

  useEffect(() => {
    if (rows.length > 0 && last >= rows.length - 20) onMore?.();
  }, [last, rows.length, onMore]);

  const tick = useCallback(
    (row: Row, on?: boolean) => {
      if (!onTick) return;
      const next = new Set(ticked);
      if (on ?? !next.has(rowKey(row))) next.add(rowKey(row));
      else next.delete(rowKey(row));
      onTick(next);
    },
    [ticked, onTick, rowKey],
  );

  const press = useCallback(
    (event: KeyboardEvent) => {
      const inside = (event.target as HTMLElement).closest("input, button, a, select, textarea");
      const box = inside?.matches("input[type=checkbox]") ?? false;
      if (inside && (!box || event.key === " ")) return; // it takes its keys itself
      const plainly = !event.ctrlKey && !event.metaKey && !event.altKey;
      const step = { ArrowDown: 1, ArrowUp: -1, ...(plainly ? { j: 1, k: -1 } : {}), PageDown: 20, PageUp: -20, Home: -rows.length, End: rows.length }[event.key];
      if (step !== undefined && rows.length > 0) {
        const next = Math.max(0, Math.min(rows.length - 1, current < 0 ? 0 : current + step));
        if (event.shiftKey && current >= 0) tick(rows[current]!, true);
        if (event.shiftKey) tick(rows[next]!, true);
        onSelect?.(rows[next]!);
        virtual.scrollToIndex(next);
        event.preventDefault();
      } else if ((event.ctrlKey || event.metaKey) && event.key === "a" && onTick) {
        onTick(new Set(rows.map(rowKey)));
        event.preventDefault();
      } else if (event.key === "Escape" && ticked?.size) {
        onTick?.(new Set());
      } else if (current >= 0 && event.key === " ") {
        tick(rows[current]!);
        event.preventDefault();
      } else if (current >= 0 && event.key === "Enter") {
        onOpen?.(rows[current]!);
      } else if (current >= 0 && (event.key.length === 1 || event.key === "Delete") && !event.ctrlKey && !event.metaKey) {
        onKey?.(event.key, rows[current]!);
      }
    },
    [rows, current, onSelect, onOpen, onKey, virtual, tick, onTick, ticked, rowKey],
  );

  const tracks = [...(onTick ? ["32px"] : []), ...columns.map((column) => column.width)].join(" ");
  // Below this the table scrolls sideways instead of cutting its columns.
  const narrowest = columns.reduce((sum, column) => sum + Number(/(\d+)px/.exec(column.width)?.[1] ?? 80), onTick ? 32 : 0);
  const filtered = columns.some((column) => column.filter);
  const all = rows.length > 0 && ticked !== undefined && rows.every((row) => ticked.has(rowKey(row)));
  return (
    <div className={classes.frame}>
      <div
        className={classes.table} role="grid" aria-label={props.label} aria-rowcount={rows.length} aria-busy={props.loading} tabIndex={0} onKeyDown={press}
        aria-multiselectable={onTick ? true : undefined} aria-activedescendant={items.some((item) => item.index === current) ? `${id}${current}` : undefined} data-testid="rows"
      >
        <div className={classes.head} style={{ gridTemplateColumns: tracks, minWidth: narrowest }} role="row">
          {onTick && (
            <div role="columnheader" className={classes.tick}>
              <input type="checkbox" tabIndex={-1} checked={all} aria-label={t("common.tickAll")} onChange={() => onTick(all ? new Set() : new Set(rows.map(rowKey)))} />
            </div>
          )}
          {columns.map((column) => (
            <Title key={column.key} column={column} sort={props.sort} onSort={props.onSort} />
          ))}
          {filtered && onTick && <div role="gridcell" />}
          {filtered &&
            columns.map((column) => (
              <div key={column.key} className={classes.filter} role="gridcell">
                {column.filter}
              </div>
            ))}
        </div>
        <div ref={scroller} className={classes.body} style={{ minWidth: narrowest }} role="rowgroup" tabIndex={onTick ? -1 : 0}>
          {rows.length === 0 && (
            <div role="row" className={classes.whole}>
              <div role="gridcell">{props.loading ? <Designed.Skeleton rows={12} /> : props.empty}</div>
            </div>
          )}
          <div style={{ height: virtual.getTotalSize(), position: "relative" }} role="presentation">
            {items.map((item) => {
              const row = rows[item.index]!;
              const key = rowKey(row);
              return (
                <div
                  key={key}
                  id={`${id}${item.index}`}
                  role="row"
                  aria-rowindex={item.index + 1}
                  aria-selected={key === selected || (ticked?.has(key) ?? false)}
                  data-current={key === selected || undefined}
                  className={fresh.has(key) ? `${classes.row} ${classes.fresh}` : classes.row}
                  style={{ gridTemplateColumns: tracks, height: ROW, transform: `translateY(${item.start}px)` }}
                  onClick={(event) => (onTick && (event.ctrlKey || event.metaKey) ? tick(row) : onSelect?.(row))}
                  onDoubleClick={() => (props.onDouble ?? onOpen)?.(row)}
                >
                  {onTick && (
                    <div role="gridcell" className={classes.tick} onClick={(event) => event.stopPropagation()} onDoubleClick={(event) => event.stopPropagation()}>
                      <input type="checkbox" tabIndex={-1} checked={ticked?.has(key) ?? false} aria-label={t("common.tick")} onChange={() => tick(row)} />
                    </div>
                  )}
                  {columns.map((column) => (
                    <div key={column.key} role="gridcell" className={column.numeric ? classes.number : classes.cell}>
                      {plain(column.cell(row))}
                    </div>
                  ))}
                </div>
              );
            })}
          </div>
        </div>
      </div>
      {above > 0 && (
        <button type="button" className={classes.above} onClick={() => virtual.scrollToIndex(0)}>
          ↑ {t("common.newAbove", { count: above })}
        </button>
      )}
    </div>
  );
}

/** What somebody sent is shown harmless; what the room made is shown as it is. */
const plain = (shown: ReactNode): ReactNode => (typeof shown === "string" ? harmless(shown) : shown);

/** The rows that came or changed since the list was last drawn, for a moment. */
function useFresh<Row>(rows: Row[], rowKey: (row: Row) => string, stamp: ((row: Row) => string) | undefined, of: string): ReadonlySet<string> {
  const known = useRef<{ of: string; stamps: Map<string, string> }>({ of: "", stamps: new Map() });
  const [fresh, setFresh] = useState<ReadonlySet<string>>(new Set());
  useEffect(() => {
    if (!stamp) return;
    const before = known.current.of === of ? known.current.stamps : new Map<string, string>();
    const now = new Map(rows.map((row) => [rowKey(row), stamp(row)]));
    known.current = { of, stamps: now };
    if (before.size === 0) return;
    const end = rows.findLastIndex((row) => before.has(rowKey(row))); // what follows is only the next page
    const changed = rows.slice(0, end + 1).map(rowKey).filter((key) => before.get(key) !== now.get(key));
    if (changed.length > 0) setFresh(new Set(changed));
  }, [rows, rowKey, stamp, of]);
  useEffect(() => {
    if (fresh.size === 0) return;
    const over = window.setTimeout(() => setFresh(new Set()), TINT_MS);
    return () => window.clearTimeout(over);
  }, [fresh]);
  return fresh;
}

/** Rows that come in above do not push what is read away; how many of them are out of sight. */
function useAnchor<Row>(rows: Row[], rowKey: (row: Row) => string, scroller: React.RefObject<HTMLDivElement | null>, of: string): number {
  const drawn = useRef<{ of: string; first?: string }>({ of: "" });
  const [above, setAbove] = useState(0);
  useLayoutEffect(() => {
    const before = drawn.current;
    const body = scroller.current;
    drawn.current = { of, first: rows[0] && rowKey(rows[0]) };
    if (!body) return;
    if (before.of !== of) {
      body.scrollTop = 0;
      setAbove(0);
      return;
    }
    const moved = before.first === undefined ? 0 : rows.findIndex((row) => rowKey(row) === before.first);
    if (moved > 0 && (body.scrollTop > 0 || body.matches(":hover"))) {
      body.scrollTop += moved * ROW;
      setAbove((count) => count + moved);
    }
  }, [rows, rowKey, scroller, of]);
  useEffect(() => {
    const body = scroller.current;
    if (!body || above === 0) return;
    const look = () => body.scrollTop < ROW && setAbove(0);
    body.addEventListener("scroll", look, { passive: true });
    return () => body.removeEventListener("scroll", look);
  }, [scroller, above]);
  return above;
}

function Title<Row>({ column, sort, onSort }: { column: Column<Row>; sort?: string; onSort?: Props<Row>["onSort"] }) {
  const side = column.numeric ? classes.numberTitle : classes.title;
  if (!column.sort || !onSort)
    return (
      <div role="columnheader" className={side}>
        {column.title}
      </div>
    );
  const active = sort === column.sort ? "ascending" : sort === `-${column.sort}` ? "descending" : "none";
  const next = active === "none" ? column.sort : active === "ascending" ? `-${column.sort}` : undefined;
  return (
    <div role="columnheader" aria-sort={active} className={side}>
      <button type="button" className={classes.sort} onClick={() => onSort(next)}>
        {column.title}
        <span aria-hidden className={classes.arrow}>
          {{ ascending: "▲", descending: "▼", none: "" }[active]}
        </span>
      </button>
    </div>
  );
}

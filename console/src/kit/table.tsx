import { useVirtualizer } from "@tanstack/react-virtual";
import { type KeyboardEvent, type ReactNode, useCallback, useEffect, useRef } from "react";
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
  onOpen?: (row: Row) => void;
  onKey?: (key: string, row: Row) => void;
  sort?: string;
  onSort?: (sort: string | undefined) => void;
  /** Called when the end comes near. */
  onMore?: () => void;
  loading?: boolean;
  empty: ReactNode;
}

const ROW = 32;

/** The table of the whole product: virtual rows, sticky header with filters, walked by keyboard. */
export function Table<Row>(props: Props<Row>) {
  const { columns, rows, rowKey, selected, onSelect, onOpen, onKey, onMore } = props;
  const scroller = useRef<HTMLDivElement>(null);
  const virtual = useVirtualizer({ count: rows.length, getScrollElement: () => scroller.current, estimateSize: () => ROW, overscan: 12 });
  const items = virtual.getVirtualItems();
  const last = items.at(-1)?.index ?? 0;
  const current = rows.findIndex((row) => rowKey(row) === selected);

  useEffect(() => {
    if (rows.length > 0 && last >= rows.length - 20) onMore?.();
  }, [last, rows.length, onMore]);

  const press = useCallback(
    (event: KeyboardEvent) => {
      const step = { ArrowDown: 1, ArrowUp: -1, PageDown: 20, PageUp: -20 }[event.key];
      if (step !== undefined && rows.length > 0) {
        const next = Math.max(0, Math.min(rows.length - 1, current < 0 ? 0 : current + step));
        onSelect?.(rows[next]!);
        virtual.scrollToIndex(next);
        event.preventDefault();
      } else if (current >= 0 && event.key === "Enter") {
        onOpen?.(rows[current]!);
      } else if (current >= 0 && event.key.length === 1 && !event.ctrlKey && !event.metaKey) {
        onKey?.(event.key, rows[current]!);
      }
    },
    [rows, current, onSelect, onOpen, onKey, virtual],
  );

  const tracks = columns.map((column) => column.width).join(" ");
  // Below this the table scrolls sideways instead of cutting its columns.
  const narrowest = columns.reduce((sum, column) => sum + Number(/(\d+)px/.exec(column.width)?.[1] ?? 80), 0);
  const filtered = columns.some((column) => column.filter);
  return (
    <div className={classes.table} role="grid" aria-label={props.label} aria-rowcount={rows.length} aria-busy={props.loading}>
      <div className={classes.head} style={{ gridTemplateColumns: tracks, minWidth: narrowest }} role="row">
        {columns.map((column) => (
          <Title key={column.key} column={column} sort={props.sort} onSort={props.onSort} />
        ))}
        {filtered &&
          columns.map((column) => (
            <div key={column.key} className={classes.filter} role="gridcell">
              {column.filter}
            </div>
          ))}
      </div>
      {/* biome-ignore: the grid's body takes the keys */}
      <div ref={scroller} className={classes.body} style={{ minWidth: narrowest }} role="rowgroup" tabIndex={0} onKeyDown={press} data-testid="rows">
        {rows.length === 0 && !props.loading && props.empty}
        {rows.length === 0 && props.loading && <Designed.Skeleton rows={12} />}
        <div style={{ height: virtual.getTotalSize(), position: "relative" }}>
          {items.map((item) => {
            const row = rows[item.index]!;
            const key = rowKey(row);
            return (
              <div
                key={key}
                role="row"
                aria-rowindex={item.index + 1}
                aria-selected={key === selected}
                className={classes.row}
                style={{ gridTemplateColumns: tracks, height: ROW, transform: `translateY(${item.start}px)` }}
                onClick={() => onSelect?.(row)}
                onDoubleClick={() => onOpen?.(row)}
              >
                {columns.map((column) => (
                  <div key={column.key} role="gridcell" className={column.numeric ? classes.number : classes.cell}>
                    {column.cell(row)}
                  </div>
                ))}
              </div>
            );
          })}
        </div>
      </div>
    </div>
  );
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
  const next = active === "none" ? `-${column.sort}` : active === "descending" ? column.sort : undefined;
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

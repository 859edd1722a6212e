import { createTheme, type CSSVariablesResolver, type MantineColorsTuple } from "@mantine/core";

/** The reading room: near-black neutrals, no pure white; one accent; colour otherwise only where it means something. */
const dark: MantineColorsTuple = [
  "#d3d8de", "#b4bcc6", "#8b95a1", "#626c78", "#3a434e", "#2a323b", "#1d242c", "#151b21", "#0f1419", "#0a0e12",
];
const film: MantineColorsTuple = [
  "#e8f4fd", "#cfe6f8", "#a0ccf0", "#74b4ea", "#5aa9e6", "#3d93d6", "#2878b8", "#1e659d", "#16507e", "#0d3a5e",
];

export const theme = createTheme({
  primaryColor: "film",
  primaryShade: { light: 7, dark: 6 },
  colors: { dark, film },
  fontFamily:
    'system-ui, -apple-system, "Segoe UI", Roboto, "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", sans-serif',
  fontFamilyMonospace: 'ui-monospace, "SF Mono", Menlo, Consolas, "Noto Sans Mono CJK SC", monospace',
  fontSizes: { xs: "12px", sm: "13px", md: "14px", lg: "16px", xl: "20px" },
  spacing: { xs: "4px", sm: "8px", md: "12px", lg: "16px", xl: "24px" },
  defaultRadius: "sm",
  respectReducedMotion: true,
  cursorType: "pointer",
});

export const variables: CSSVariablesResolver = () => ({
  variables: {},
  light: { "--mantine-color-dimmed": "#5b6672" },
  dark: { "--mantine-color-dimmed": "#98a3af", "--mantine-color-body": "#0f1419" },
});

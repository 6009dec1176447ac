import type { Whole } from "./explanation.js";

/** Whole units of 10^-decimals as people write them, without zeros at the end. */
export function decimalText(units: Whole, decimals: number): string {
  const text = BigInt(units).toString();
  const sign = text.startsWith("-") ? "-" : "";
  const digits = text.slice(sign.length).padStart(decimals + 1, "0");
  const cut = digits.length - decimals;
  const fraction = digits.slice(cut).replace(/0+$/, "");
  return `${sign}${digits.slice(0, cut)}${fraction === "" ? "" : `.${fraction}`}`;
}

/** Milliseconds as days, hours, minutes and seconds, what is none left out. */
export function durationText(ms: number): string {
  const parts: [number, string][] = [
    [Math.floor(ms / 86_400_000), "d"],
    [Math.floor(ms / 3_600_000) % 24, "h"],
    [Math.floor(ms / 60_000) % 60, "min"],
    [(ms % 60_000) / 1000, "s"],
  ];
  const text = parts.filter(([amount]) => amount > 0).map(([amount, unit]) => `${amount} ${unit}`);
  return text.length === 0 ? "0 s" : text.join(" ");
}

import cliProgress from "cli-progress";
import type { LoadProgress } from "./run.js";

/** Shows how far something is: a bar on a terminal, a line now and then elsewhere. */
export interface ProgressView {
  /** `done` 0 … 1 and a text beside it. */
  show(done: number, text: string): void;
  end(): void;
}

const LINE_EVERY_MS = 1000;

export function progressView(stream: NodeJS.WriteStream, title: string): ProgressView {
  if (!stream.isTTY) return lines(stream, title);
  const bar = new cliProgress.SingleBar(
    { format: `${title} {bar} {percentage}% {text}`, stream, hideCursor: true, clearOnComplete: false },
    cliProgress.Presets.shades_classic,
  );
  bar.start(1000, 0, { text: "" });
  return {
    show: (done, text) => bar.update(Math.floor(done * 1000), { text }),
    end: () => bar.stop(),
  };
}

function lines(stream: NodeJS.WritableStream, title: string): ProgressView {
  let shownMs = Number.NEGATIVE_INFINITY;
  let last = "";
  const write = (done: number, text: string) => stream.write(`${title} ${Math.floor(done * 100)}% ${text}\n`);
  return {
    show: (done, text) => {
      const nowMs = performance.now();
      last = text;
      if (nowMs - shownMs < LINE_EVERY_MS) return;
      shownMs = nowMs;
      write(done, text);
    },
    end: () => {
      write(1, last);
    },
  };
}

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

export function progressText(progress: LoadProgress): string {
  const rate = progress.elapsedMs > 0 ? (progress.acked / progress.elapsedMs) * 1000 : 0;
  const p99 = Number.isNaN(progress.p99Ms) ? "–" : `${progress.p99Ms.toFixed(1)} ms`;
  const rejected = progress.rejected > 0 ? `, ${whole.format(progress.rejected)} rejected` : "";
  return `sent ${whole.format(progress.sent)}, acked ${whole.format(progress.acked)}${rejected}, ${whole.format(rate)}/s, p99 ${p99}`;
}

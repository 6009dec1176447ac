import type { AlertTransition } from "../../engine/base/alert-transition.js";
import type { Answer, Endpoint, Message } from "../../engine/notify/endpoint.js";
import type { NotifyLog, Webhook } from "../../engine/notify/transition.js";

export const OK: Answer = { ok: true };

export function refusal(reason: string, more: { refused?: boolean; retryAfterMs?: number | null } = {}): Answer {
  return { ok: false, reason, refused: false, retryAfterMs: null, ...more };
}

export interface Delivery {
  url: string;
  secret: string;
  key: string;
  heldBack: number;
  atMs: number;
}

/** Endpoints that answer as they are told, and what they were sent. */
export class FakeEndpoints {
  /** Attempts and deliveries, in order. */
  readonly attempts: Delivery[] = [];
  readonly delivered: Delivery[] = [];
  /** By URL; an answer may take its time. */
  readonly answers = new Map<string, (message: Message) => Answer | Promise<Answer>>();
  closed = 0;
  readonly #nowMs: () => number;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  readonly open = ({ url, secret }: Webhook): Endpoint => {
    let giveUp: (answer: Answer) => void = () => undefined;
    return {
      send: async (message) => {
        const { key, heldBack } = JSON.parse(message.body) as { key: string; heldBack: number };
        const delivery = { url, secret, key, heldBack, atMs: this.#nowMs() };
        this.attempts.push(delivery);
        const closed = new Promise<Answer>((resolve) => {
          giveUp = resolve;
        });
        const answer = await Promise.race([this.answers.get(url)?.(message) ?? OK, closed]);
        if (answer.ok) this.delivered.push(delivery);
        return answer;
      },
      close: () => {
        this.closed++;
        giveUp(refusal("given up"));
      },
    };
  };

  keysOf(url: string): string[] {
    return this.delivered.filter((delivery) => delivery.url === url).map(({ key }) => key);
  }
}

/** The `n`-th transition of an incident, with all that is told of it. */
export function transition(n: number, more: Partial<AlertTransition> = {}): AlertTransition {
  const { incident = "00000000000000aa" } = more;
  const ts = new Date(1_767_225_600_000 + n * 1000).toISOString();
  const state = n % 2 === 0 ? "firing" : "resolved";
  const key = `${incident}-${state}-critical-${Date.parse(ts)}`;
  const whole: AlertTransition = {
    ...{ key, ts, tenant: "acme", meter: "main-1", rule: "night-load", incident, state },
    ...{ severity: "critical", value: 40.5, threshold: 40 },
  };
  return { ...whole, ...more };
}

export class Lines implements NotifyLog {
  readonly lines: string[] = [];
  info(message: string): void {
    this.lines.push(`info ${message}`);
  }
  warn(message: string): void {
    this.lines.push(`warn ${message}`);
  }
}

/** Lets everything go on that waits for nothing but its turn. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 3; i++) await new Promise((resolve) => setImmediate(resolve));
}

import { z } from "zod";
import { field, flag, number, record } from "./fields.js";

/** Endpoints of one client; each has a queue of its own. */
const MOST_WEBHOOKS = 16;
const MAX_URL_CHARS = 2048;

/** The text as it stands: a slash at its end may matter to whoever listens there. */
const url = field(
  {
    allowed: `an http or https URL without user, password and fragment, at most ${MAX_URL_CHARS} characters`,
    remedy: 'Give the address that takes the POST, such as "https://example.org/hook".',
  },
  (value) => {
    if (typeof value !== "string" || value.length > MAX_URL_CHARS || !URL.canParse(value)) return undefined;
    const { protocol, hostname, username, password, hash } = new URL(value);
    const isPlain = hostname !== "" && username === "" && password === "" && hash === "";
    return isPlain && (protocol === "http:" || protocol === "https:") ? value : undefined;
  },
);

const secret = field(
  {
    allowed: "a string of 8 to 256 characters",
    remedy: "It signs what is sent; give the receiver the same one.",
    secret: true,
  },
  (value) => (typeof value === "string" && value.length >= 8 && value.length <= 256 ? value : undefined),
);

const webhook = record({
  url,
  secret,
  allowPrivate: flag("true lets the address be one of this machine's or of a private network.").default(false),
  perMinute: number(
    1,
    6000,
    "Transitions of one rule a minute; of more, only the newest of each incident is sent. The default is 60.",
  ).default(60),
});

export const webhooks = z
  .array(webhook)
  .default([])
  .superRefine((hooks, context) => {
    if (hooks.length > MOST_WEBHOOKS)
      context.addIssue({
        code: "custom",
        params: { allowed: `at most ${MOST_WEBHOOKS} webhooks`, remedy: "Send to one that passes it on." },
        input: hooks,
      });
    for (const [index, hook] of hooks.entries()) {
      const first = hooks.findIndex((other) => other.url === hook.url);
      if (first === index) continue;
      context.addIssue({
        code: "custom",
        path: [index, "url"],
        params: {
          allowed: `an address that no other webhook has: webhooks[${first}] has it too`,
          remedy: "Remove one of the two.",
        },
        input: hook.url,
      });
    }
  });

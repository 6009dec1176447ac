import type { Identity } from "../config/keys.js";
import type { Asking } from "./gateway.js";
import { errorAnswer, type UpgradeAnswer, type UpgradeRequest } from "./network.js";
import type { Tickets } from "./tickets.js";

type Upgrade = (request: UpgradeRequest) => UpgradeAnswer;

/** Who asks: by the token in the header, or where there is none by a ticket, as long as the key is there by which that was asked for. */
export function identifier(
  keys: { authenticate(header: string | undefined): Identity | null; knows(identity: Identity): boolean },
  tickets: Tickets,
): (request: Asking) => Identity | null {
  return ({ authorization, protocols }) => {
    if (authorization !== undefined || protocols === undefined) return keys.authenticate(authorization);
    const identity = tickets.redeem(protocols);
    return identity !== null && keys.knows(identity) ? identity : null;
  };
}

/** What is listened to at which path. */
export function upgradesAt(paths: Readonly<Record<string, Upgrade>>): Upgrade {
  return (request) => {
    const upgrade = Object.hasOwn(paths, request.path) ? paths[request.path] : undefined;
    if (upgrade !== undefined) return upgrade(request);
    return { accept: false, answer: errorAnswer(404, "not_found", `there is no WebSocket at ${request.path.slice(0, 200)}`) };
  };
}
